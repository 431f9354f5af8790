SELECT num FROM run WHERE ended < ? AND state <> 'diverged' ORDER BY ended LIMIT ?
