"""What is true: events, ids, SQL; imports nothing of ours."""
