SELECT * FROM headrace.run WHERE num = $1
