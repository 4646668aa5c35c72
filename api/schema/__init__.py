"""What routes declare of themselves: operations, the JSON of responses, and examples of it."""
