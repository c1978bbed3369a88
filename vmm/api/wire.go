package api

import (
	"context"
	"fmt"
	"strconv"

	"github.com/hfvmm/hfvmm/sdei"
)

// Machine is what is controlled. Its methods may be called from several goroutines.
type Machine interface {
	Status() Status
	// Pause stops every vCPU. The context bounds how long that may take; what takes longer is a [Conflict].
	Pause(context.Context) error
	// Resume lets the vCPUs of a paused machine go on; one that is not paused goes on anyway.
	Resume()
	// PowerOff ends the machine at once.
	PowerOff()
	// RaiseEvent raises an SDEI event, a private one on the given vCPU. A VM, vCPU or event that does not exist is a
	// [NotFound].
	RaiseEvent(vm string, vcpu int, number uint32) error
	// SaveSDEI and RestoreSDEI copy the state of a VM's SDEI. The machine must be paused, else they are a [Conflict].
	SaveSDEI(vm string) (sdei.State, error)
	RestoreSDEI(vm string, s sdei.State) error
}

// Status is what a machine is and does.
type Status struct {
	State string      `json:"state"` // "running" or "paused"
	VMs   []VMStatus  `json:"vms"`   // the primary first
	CPUs  []CPUStatus `json:"cpus"`  // physical CPUs
}

// The values of Status.State.
const (
	Running = "running"
	Paused  = "paused"
)

// VMStatus is one VM.
type VMStatus struct {
	Name    string `json:"name"`
	VCPUs   int    `json:"vcpus"`
	Base    Hex    `json:"base"`   // IPA of its memory
	Memory  uint64 `json:"memory"` // bytes
	SDEI    bool   `json:"sdei"`
	PVSched bool   `json:"pvsched"`
}

// CPUStatus is one physical CPU, at index i that of the primary's vCPU i.
type CPUStatus struct {
	VM   string `json:"vm"` // whose vCPU it runs
	VCPU int    `json:"vcpu"`
	On   bool   `json:"on"`   // the primary's vCPU is powered on
	Runs uint64 `json:"runs"` // KVM_RUNs so far
}

// EventRequest names an SDEI event of a VM, and the vCPU on which it is raised if it is a private one.
type EventRequest struct {
	VM    string `json:"vm"`
	VCPU  int    `json:"vcpu"`
	Event Hex    `json:"event"`
}

// Registers are the pseudo firmware registers of a vCPU's SDEI: words of 64 bits, by the register's number.
type Registers map[Hex][]Hex

// errorBody is the body of an error.
type errorBody struct {
	Error string `json:"error"`
}

// Hex is a number that JSON has as a string such as "0x40000000": numbers beyond 2^53 do not survive
// everywhere. In that string decimal is understood too.
type Hex uint64

// MarshalText implements encoding.TextMarshaler.
func (h Hex) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%#x", uint64(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hex) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 0, 64)
	if err != nil {
		return fmt.Errorf("%q is not a number of 64 bits; write it like 0x40000001", text)
	}
	*h = Hex(v)
	return nil
}
