package ffa

import "github.com/hfvmm/hfvmm/hypercall"

// The calls that send, retrieve and return memory. Descriptors are in the buffers of the caller: hfvmm takes no others.

// ffaTransfers is how the calls that send memory do that.
var ffaTransfers = map[hypercall.FuncID]transfer{ffaMemDonate: donate, ffaMemLend: lend, ffaMemShare: share}

// memSend is FFA_MEM_DONATE, FFA_MEM_LEND and FFA_MEM_SHARE: w1 and w2 are the sizes of the descriptor and of its
// first fragment, w3 and w4 the address and size of a buffer other than TX.
func (s *ffa) memSend(v *vcpu, fn hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	if a[3] != 0 || a[4] != 0 {
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	r, st := s.sendRegion(v.vm, ffaTransfers[fn&^hypercall.SMC64], uint64(uint32(a[1])), uint64(uint32(a[2])))
	putSent(&v.Regs, r, st)
	return hypercall.Outcome{}
}

// memFragTX is FFA_MEM_FRAG_TX, with the next fragment of a descriptor that is sent: handle in w1 and w2, size in w3.
func (s *ffa) memFragTX(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	if a[4] != 0 {
		putFFAStatus(&v.Regs, invalid)
		return hypercall.Outcome{}
	}
	r, st := s.continueRegion(v.vm, a.uint64(1), a[3])
	putSent(&v.Regs, r, st)
	return hypercall.Outcome{}
}

// putSent answers a fragment that was sent: with the handle, or with a request for the next fragment.
func putSent(regs *hypercall.Regs, r *region, st status) {
	switch {
	case st != success:
		putFFAStatus(regs, st)
	case r.complete():
		putFFA(regs, ffaSuccess, 0, uint64(uint32(r.handle)), r.handle>>32)
	default:
		putFFA(regs, ffaMemFragRX, uint64(uint32(r.handle)), r.handle>>32, r.received)
	}
}

// memRetrieve is FFA_MEM_RETRIEVE_REQ, whose descriptor has no fragments.
func (s *ffa) memRetrieve(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	st := invalid
	var total, fragment uint64
	if a[3] == 0 && a[4] == 0 && uint32(a[1]) == uint32(a[2]) {
		total, fragment, st = s.retrieveRegion(v.vm, uint64(uint32(a[1])))
	}
	if st != success {
		putFFAStatus(&v.Regs, st)
	} else {
		putFFA(&v.Regs, ffaMemRetrieveResp, total, fragment, 0)
	}
	return hypercall.Outcome{}
}

// memFragRX is FFA_MEM_FRAG_RX: it asks for what comes at an offset, in w3, of the descriptor that is retrieved.
func (s *ffa) memFragRX(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	st := invalid
	var fragment uint64
	if a[4] == 0 {
		fragment, st = s.retrieveMore(v.vm, a.uint64(1), a[3])
	}
	if st != success {
		putFFAStatus(&v.Regs, st)
	} else {
		putFFA(&v.Regs, ffaMemFragTX, a[1], a[2], fragment)
	}
	return hypercall.Outcome{}
}

// memRelinquish is FFA_MEM_RELINQUISH.
func (s *ffa) memRelinquish(v *vcpu, _ hypercall.FuncID, _ ffaArgs) hypercall.Outcome {
	putFFAStatus(&v.Regs, s.relinquishRegion(v.vm))
	return hypercall.Outcome{}
}

// memReclaim is FFA_MEM_RECLAIM: handle in w1 and w2, flags in w3.
func (s *ffa) memReclaim(v *vcpu, _ hypercall.FuncID, a ffaArgs) hypercall.Outcome {
	putFFAStatus(&v.Regs, s.reclaimRegion(v.vm, a.uint64(1), uint32(a[3])))
	return hypercall.Outcome{}
}
