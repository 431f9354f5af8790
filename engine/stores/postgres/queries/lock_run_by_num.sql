SELECT * FROM headrace.run WHERE num = $1 FOR NO KEY UPDATE
