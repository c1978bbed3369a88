package sdei

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/hfvmm/hfvmm/hypercall"
)

// RegisterID names a pseudo firmware register, as the kernel series of May 2022 encodes them for
// KVM_GET_ONE_REG and KVM_SET_ONE_REG (Documentation/virt/kvm/arm/sdei.rst of the series).
type RegisterID uint64

// The registers of a vCPU. They hold its private events with numbers below 64, one interrupted context
// of normal priority, and absolute handlers: what else there is only State holds.
const (
	RegHandler0   RegisterID = 0x6040_0000_0014_0004 // entry and argument of event 0
	RegHandler1   RegisterID = 0x6040_0000_0014_0005
	RegHandler2   RegisterID = 0x6040_0000_0014_0006 // zero; writes are ignored
	RegHandler3   RegisterID = 0x6040_0000_0014_0007 // the same
	RegRegistered RegisterID = 0x6030_0000_0014_0008 // a bit for each event
	RegEnabled    RegisterID = 0x6030_0000_0014_0009
	RegRunning    RegisterID = 0x6030_0000_0014_000A
	RegPending    RegisterID = 0x6030_0000_0014_000B
	RegContext    RegisterID = 0x6080_0000_0014_000C // PC, PSTATE, x0 to x17, zeros
	RegPEState    RegisterID = 0x6030_0000_0014_000D // 1: masked
)

// Registers are all registers, in the order in which they must be written.
var Registers = [...]RegisterID{
	RegHandler0, RegHandler1, RegHandler2, RegHandler3,
	RegRegistered, RegEnabled, RegRunning, RegPending, RegContext, RegPEState,
}

// bitmapEvents is how many events the bitmaps have room for.
const bitmapEvents = 64

// words is the size of the register in words of 64 bits, which is a field of its name.
func (id RegisterID) words() int { return 1 << (id >> 52 & 0xF) / 8 }

// flagOf returns the flag of h that the register has a bit for, or nil.
func (id RegisterID) flagOf(h *HandlerState) *bool {
	switch id {
	case RegRegistered:
		return &h.Registered
	case RegEnabled:
		return &h.Enabled
	case RegRunning:
		return &h.Running
	case RegPending:
		return &h.Pending
	}
	return nil
}

// find returns the handler of an event, or nil.
func (p *PEState) find(event uint32) *HandlerState {
	for i := range p.Private {
		if p.Private[i].Event == event {
			return &p.Private[i]
		}
	}
	return nil
}

// need returns the handler of an event, a new one if there was none.
func (p *PEState) need(event uint32) *HandlerState {
	if h := p.find(event); h != nil {
		return h
	}
	p.Private = append(p.Private, HandlerState{Event: event})
	return &p.Private[len(p.Private)-1]
}

// Register reads a register.
func (p *PEState) Register(id RegisterID) ([]uint64, error) {
	if !slices.Contains(Registers[:], id) {
		return nil, fmt.Errorf("sdei: there is no register %#x", uint64(id))
	}
	v := make([]uint64, id.words())
	switch id {
	case RegHandler0, RegHandler1:
		if h := p.find(uint32(id - RegHandler0)); h != nil {
			v[0], v[1] = h.Entry, h.Arg
		}
	case RegRegistered, RegEnabled, RegRunning, RegPending:
		for i := range p.Private {
			if h := &p.Private[i]; h.Event < bitmapEvents && *id.flagOf(h) {
				v[0] |= 1 << h.Event
			}
		}
	case RegContext:
		if c := p.Normal; c != nil {
			v[0], v[1] = c.PC, c.PSTATE
			copy(v[2:], c.X[:])
		}
	case RegPEState:
		v[0] = uint64(flag(p.Masked))
	}
	return v, nil
}

// SetRegister writes a register. Write them in the order of Registers; whether the whole makes sense,
// Restore tells.
func (p *PEState) SetRegister(id RegisterID, v []uint64) error {
	if !slices.Contains(Registers[:], id) {
		return fmt.Errorf("sdei: there is no register %#x", uint64(id))
	}
	if len(v) != id.words() {
		return fmt.Errorf("sdei: register %#x has %d words of 64 bits, not %d", uint64(id), id.words(), len(v))
	}
	switch id {
	case RegHandler0, RegHandler1:
		if event := uint32(id - RegHandler0); v[0]|v[1] != 0 || p.find(event) != nil {
			h := p.need(event)
			h.Entry, h.Arg = v[0], v[1]
		}
	case RegRegistered, RegEnabled, RegRunning, RegPending:
		return p.setBitmap(id, v[0])
	case RegContext:
		return p.setContext(v)
	case RegPEState:
		if v[0] > 1 {
			return fmt.Errorf("sdei: the state %#x of a PE is neither 0 nor 1", v[0])
		}
		p.Masked = v[0] == 1
	}
	return nil
}

func (p *PEState) setBitmap(id RegisterID, v uint64) error {
	if id == RegRunning {
		if bits.OnesCount64(v) > 1 {
			return fmt.Errorf("sdei: the events %#x cannot run at once", v)
		}
		if p.Normal == nil || p.Normal.Event < bitmapEvents {
			p.Normal = nil
			if v != 0 {
				p.Normal = &ContextState{Event: uint32(bits.TrailingZeros64(v))}
			}
		}
	}
	for event := range uint32(bitmapEvents) {
		if on := v>>event&1 != 0; on || p.find(event) != nil {
			*id.flagOf(p.need(event)) = on
		}
	}
	return nil
}

func (p *PEState) setContext(v []uint64) error {
	used := 2 + hypercall.NumRegs
	if slices.ContainsFunc(v[used:], func(x uint64) bool { return x != 0 }) {
		return fmt.Errorf("sdei: the interrupted context has something in words %d to %d, which are not used", used, len(v)-1)
	}
	if p.Normal == nil {
		if slices.ContainsFunc(v, func(x uint64) bool { return x != 0 }) {
			return fmt.Errorf("sdei: there is an interrupted context, but no event of normal priority runs")
		}
		return nil
	}
	p.Normal.PC, p.Normal.PSTATE = v[0], v[1]
	copy(p.Normal.X[:], v[2:])
	return nil
}
