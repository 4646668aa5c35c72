-- How many jobs of an API key are running or in a line.
-- @arg owner: the API key's name
return jobs_of_key(owner)
