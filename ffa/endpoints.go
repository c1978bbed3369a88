package ffa

// vm finds a VM by its FF-A id, or returns nil.
func (c *Core) vm(id uint16) *partition { return c.find(int(id) - 1) }

// id is the VM's FF-A id. 0 is hfvmm itself, as it is Hafnium's.
func (c *Core) id(p *partition) uint16 { return p.index + 1 }
