DELETE FROM headrace.run_tag
USING headrace.run
WHERE run.num = ANY ($1::bigint[]) AND run_tag.run = run.num AND run_tag.tag = ANY (run.tags)
