"""What a candidate did: categories of undesired behaviour, monitors and graders, their verdicts and validity."""
