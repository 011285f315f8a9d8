"""What identifies people, machines and accounts is replaced before a request leaves, and put back in the answer."""
