SELECT num, epoch, state FROM headrace.run WHERE num = ANY ($1::bigint[])
