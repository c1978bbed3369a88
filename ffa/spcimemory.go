package ffa

import (
	"encoding/binary"

	"github.com/hfvmm/hfvmm/hypercall"
)

// Memory in SPCI: the call share_memory of Hafnium, and messages that describe memory.

// What share_memory does with the memory, in w1 beside the receiver in its upper half.
var shareTransfers = [...]transfer{0: donate, 1: lend, 2: share}

// shareMemory transfers one range, zeroed. Who has borrowed it may also give it, back to its owner.
func (s *spci) shareMemory(v *vcpu, a spciArgs) hypercall.Outcome {
	x0 := failed
	if s.shared(v.vm, s.vm(a[1]>>32), uint32(a[1]), Span{a[2], a[3]}) {
		x0 = 0
	}
	v.Regs.SetX(0, x0)
	return hypercall.Outcome{}
}

func (s *spci) shared(from, to *partition, how uint32, span Span) bool {
	if to == nil || to == from || how >= uint32(len(shareTransfers)) {
		return false
	}
	t := shareTransfers[how]
	claim, ok := s.pages.claim(span)
	switch {
	case !ok:
		return false
	case claim.exclusive(from.index):
	case t == donate && claim.owner == to.index && claim.borrower == from.index:
		t = relinquish
	default:
		return false
	}
	s.spans = append(s.spans[:0], span)
	return s.transfer(t, from, to, claim.own, true) == success
}

// A message that describes memory: a header, the region, one attribute for each receiver and, at an
// offset that the region tells, the constituents. Offsets and sizes in bytes, numbers little-endian.
const (
	memoryType   = 0 // u16: a row of memoryTransfers
	memoryRegion = 8

	// In the region:
	regionFlags            = 4  // u32
	regionConstituentCount = 12 // u32
	regionOffset           = 16 // u32: of the constituents, from the region
	regionAttributeCount   = 20 // u32
	regionReceiver         = 24 // u16: VM of the first attribute
	regionAccess           = 26 // u16: its access, in [6:5]
	regionSize             = 28 // with one attribute

	constituentAddress = 0 // u64
	constituentPages   = 8 // u32
	constituentSize    = 16

	regionZero = 1 << 0 // flag: clear the memory before the receiver sees it
)

var memoryTransfers = [...]transfer{0: donate, 1: lend, 2: share, 3: relinquish}

// memoryAccess is by bits [6:5] of an attribute.
var memoryAccess = [4]Access{Read, Read | Execute, Read | Write, FullAccess}

// sendMemory makes the transfer that the message in the caller's TX page describes and sends it on to the
// receiver. The message is copied before it is read: another vCPU could change it.
func (s *spci) sendMemory(v *vcpu, to *partition, size uint64, notify bool) (status, hypercall.Outcome) {
	if st := s.sendable(v, to, size, notify); st != success {
		return st, hypercall.Outcome{}
	}
	msg := s.message[:size]
	copy(msg, v.vm.box.tx)
	if st := s.transferMessage(v.vm, to, msg); st != success {
		return st, hypercall.Outcome{}
	}
	_, out := s.post(v, to, msg, true)
	return success, out
}

// transferMessage reads the message and makes its transfer. There must be one receiver, which is the
// message's, and the constituents must end where the message does.
func (s *spci) transferMessage(from, to *partition, msg []byte) status {
	if len(msg) < memoryRegion+regionSize {
		return invalid
	}
	kind := binary.LittleEndian.Uint16(msg[memoryType:])
	region := msg[memoryRegion:]
	u32 := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(region[at:])) }
	count, offset := u32(regionConstituentCount), u32(regionOffset)
	if int(kind) >= len(memoryTransfers) || u32(regionAttributeCount) != 1 || count > maxSpans ||
		offset < regionSize || uint64(len(region)) != offset+count*constituentSize ||
		uint64(binary.LittleEndian.Uint16(region[regionReceiver:])) != spciID(to.index) {
		return invalid
	}
	s.spans = s.spans[:0]
	for c := region[offset:]; len(c) > 0; c = c[constituentSize:] {
		pages := uint64(binary.LittleEndian.Uint32(c[constituentPages:]))
		s.spans = append(s.spans, Span{binary.LittleEndian.Uint64(c[constituentAddress:]), pages * PageSize})
	}
	access := memoryAccess[binary.LittleEndian.Uint16(region[regionAccess:])>>5&3]
	return s.transfer(memoryTransfers[kind], from, to, access, u32(regionFlags)&regionZero != 0)
}
