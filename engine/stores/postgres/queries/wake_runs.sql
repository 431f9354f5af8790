-- IS TRUE keeps the planner from going by the state, which thousands may have, instead of the numbers.
UPDATE headrace.run SET state = 'queued', due = 0 WHERE num = ANY ($1::bigint[]) AND (state = 'waiting') IS TRUE
