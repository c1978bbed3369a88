package ffa

import "slices"

// The receivers of a VM are its vCPUs that blocked in a receiving call whose message is handed over as it
// is sent. They form a stack: the last to block is served first. Where a message stays in the
// mailbox until a blocked vCPU is run, the stack is empty.

// await puts v, which has just blocked in a receiving call, on the stack.
func (v *vcpu) await() { v.vm.receivers = append(v.vm.receivers, v) }

// awaits reports whether v is on the stack.
func (v *vcpu) awaits() bool { return slices.Contains(v.vm.receivers, v) }

// deliver hands the message that p has received to the vCPU on top of the stack, which it makes ready,
// and returns that vCPU; nil if none waits.
func (p *partition) deliver() *vcpu {
	top := len(p.receivers) - 1
	if top < 0 {
		return nil
	}
	v := p.receivers[top]
	p.receivers = p.receivers[:top]
	m, _ := p.box.take()
	v.waiting.putMessage(&v.Regs, m)
	v.waiting, v.state = nil, ready
	return v
}

// interruptReceive ends the receiving call that v is blocked in, for an interrupt.
func (v *vcpu) interruptReceive() {
	if i := slices.Index(v.vm.receivers, v); i >= 0 {
		v.vm.receivers = slices.Delete(v.vm.receivers, i, i+1)
	}
	v.waiting.putInterrupted(&v.Regs)
	v.waiting, v.state = nil, ready
}
