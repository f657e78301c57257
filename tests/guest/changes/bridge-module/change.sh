brctl addbr br0
