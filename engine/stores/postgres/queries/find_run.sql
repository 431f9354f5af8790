SELECT * FROM headrace.run WHERE id = $1
