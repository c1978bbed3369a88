package api

import (
	"fmt"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/sdei"
)

// SDEIState is sdei.State as JSON. Its fields are described there.
type SDEIState struct {
	PEs    []PEState     `json:"pes"`
	Shared []SharedState `json:"shared"`
	Bound  []BoundState  `json:"bound"`
}

// PEState is sdei.PEState.
type PEState struct {
	Masked   bool           `json:"masked"`
	Private  []HandlerState `json:"private"`
	Normal   *ContextState  `json:"normal,omitempty"`
	Critical *ContextState  `json:"critical,omitempty"`
}

// HandlerState is sdei.HandlerState.
type HandlerState struct {
	Event      Hex  `json:"event"`
	Registered bool `json:"registered"`
	Enabled    bool `json:"enabled"`
	Running    bool `json:"running"`
	Pending    bool `json:"pending"`
	Relative   bool `json:"relative"`
	Entry      Hex  `json:"entry"`
	Arg        Hex  `json:"arg"`
}

// SharedState is sdei.SharedState.
type SharedState struct {
	HandlerState
	ToPE   bool `json:"to_pe"`
	Target int  `json:"target"`
}

// ContextState is sdei.ContextState. X has x0 to x17.
type ContextState struct {
	Event  Hex   `json:"event"`
	X      []Hex `json:"x"`
	PC     Hex   `json:"pc"`
	PSTATE Hex   `json:"pstate"`
}

// BoundState is sdei.BoundState.
type BoundState struct {
	Event Hex `json:"event"`
	INTID Hex `json:"intid"`
}

func encodeState(s sdei.State) SDEIState {
	out := SDEIState{PEs: []PEState{}, Shared: []SharedState{}, Bound: []BoundState{}}
	for _, p := range s.PEs {
		pe := PEState{Masked: p.Masked, Private: []HandlerState{}, Normal: encodeContext(p.Normal), Critical: encodeContext(p.Critical)}
		for _, h := range p.Private {
			pe.Private = append(pe.Private, encodeHandler(h))
		}
		out.PEs = append(out.PEs, pe)
	}
	for _, h := range s.Shared {
		out.Shared = append(out.Shared, SharedState{encodeHandler(h.HandlerState), h.ToPE, h.Target})
	}
	for _, b := range s.Bound {
		out.Bound = append(out.Bound, BoundState{Hex(b.Event), Hex(b.INTID)})
	}
	return out
}

func encodeHandler(h sdei.HandlerState) HandlerState {
	return HandlerState{Hex(h.Event), h.Registered, h.Enabled, h.Running, h.Pending, h.Relative, Hex(h.Entry), Hex(h.Arg)}
}

func encodeContext(c *sdei.ContextState) *ContextState {
	if c == nil {
		return nil
	}
	out := &ContextState{Event: Hex(c.Event), PC: Hex(c.PC), PSTATE: Hex(c.PSTATE)}
	for _, x := range c.X {
		out.X = append(out.X, Hex(x))
	}
	return out
}

// decoder turns JSON's state back, and keeps the first thing that JSON can say and the state cannot.
type decoder struct{ err error }

func decodeState(in SDEIState) (sdei.State, error) {
	var d decoder
	var s sdei.State
	for _, p := range in.PEs {
		pe := sdei.PEState{Masked: p.Masked, Normal: d.context(p.Normal), Critical: d.context(p.Critical)}
		for _, h := range p.Private {
			pe.Private = append(pe.Private, d.handler(h))
		}
		s.PEs = append(s.PEs, pe)
	}
	for _, h := range in.Shared {
		s.Shared = append(s.Shared, sdei.SharedState{HandlerState: d.handler(h.HandlerState), ToPE: h.ToPE, Target: h.Target})
	}
	for _, b := range in.Bound {
		s.Bound = append(s.Bound, sdei.BoundState{Event: d.word(b.Event), INTID: d.word(b.INTID)})
	}
	return s, d.err
}

func (d *decoder) handler(h HandlerState) sdei.HandlerState {
	return sdei.HandlerState{Event: d.word(h.Event), Registered: h.Registered, Enabled: h.Enabled, Running: h.Running,
		Pending: h.Pending, Relative: h.Relative, Entry: uint64(h.Entry), Arg: uint64(h.Arg)}
}

func (d *decoder) context(c *ContextState) *sdei.ContextState {
	if c == nil {
		return nil
	}
	out := &sdei.ContextState{Event: d.word(c.Event), PC: uint64(c.PC), PSTATE: uint64(c.PSTATE)}
	if len(c.X) != hypercall.NumRegs {
		d.fail(fmt.Errorf("an interrupted context has %d registers, not %d", len(c.X), hypercall.NumRegs))
		return out
	}
	for i, x := range c.X {
		out.X[i] = uint64(x)
	}
	return out
}

// word is a number of 32 bits.
func (d *decoder) word(h Hex) uint32 {
	if uint64(h)>>32 != 0 {
		d.fail(fmt.Errorf("%#x has more than 32 bits", uint64(h)))
	}
	return uint32(h)
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}
