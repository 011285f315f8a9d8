"""What a store keeps, by what it answers for, and the engines that hold it."""
