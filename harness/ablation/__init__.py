"""What each affordance gives: the same calls, answered in the same states, with some of the knowledge taken away."""
