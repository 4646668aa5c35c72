"""Files by reference: a URL in place of an uploaded body."""
