package ffa

import (
	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// msgSend2 copies a message, header and all, from the caller's TX buffer to the receiver's RX buffer, and notifies
// the receiver. The header is read once.
func (s *ffa) msgSend2(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	delayed := v.vm.ffa.Secure && a[2]&notifyDelayed != 0
	st := invalid
	if a[1] == 0 && (a[2] == 0 || delayed && a[2] == notifyDelayed) {
		st = s.sendIndirect(v, delayed)
	}
	putFFAStatus(&v.Regs, st)
	return hypercall.Outcome{}
}

func (s *ffa) sendIndirect(v *vcpu, delayed bool) status {
	from := &v.vm.box
	m, ok := wire.DecodeMessage(from.tx, v.vm.version)
	if !ok {
		return denied // no buffer
	}
	to := s.endpoint(m.Receiver)
	if to == nil {
		return invalid
	}
	methods, known := to.ffa.methodsOf(m.UUID)
	size := uint64(len(from.tx))
	switch {
	case m.Sender != v.vm.ffa.ID, to == v.vm, m.Flags != 0, uint64(m.Offset) < uint64(wire.MessageHeader(v.vm.version)),
		uint64(m.Offset) > size, uint64(m.Size) > size-uint64(m.Offset), m.Size == 0, !known:
		return invalid
	case v.vm.ffa.methods&methods&wire.Indirect == 0, to.version < v11 || to.aborting:
		return denied
	case !to.box.accepting():
		return busy
	}
	at := wire.MessageOffset(to.version)
	if uint64(at)+uint64(m.Size) > uint64(len(to.box.rx)) {
		return noMemory
	}
	payload := from.tx[m.Offset:][:m.Size]
	m.Offset = uint32(at)
	m.Encode(to.box.rx, to.version)
	copy(to.box.rx[at:], payload)
	to.box.state = boxRead
	s.rxFull(v, to, delayed)
	return success
}
