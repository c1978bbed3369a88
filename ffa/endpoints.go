package ffa

// vm finds a VM by its FF-A id, or returns nil.
func (c *Core) vm(id uint16) *partition {
	for i := range c.vms {
		if p := &c.vms[i]; p.ffa.ID == id {
			return p
		}
	}
	return nil
}

// id is the VM's FF-A id. 0 is hfvmm itself, as it is Hafnium's.
func (c *Core) id(p *partition) uint16 { return p.ffa.ID }
