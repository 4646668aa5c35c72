-- Returns the id of the running batch that a helper of this one goes to, nothing if it goes to none.
return valid() and not leaves() and other_batch()
