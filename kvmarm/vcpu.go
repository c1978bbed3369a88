package kvmarm

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
)

// Feature is an optional part of a vCPU, chosen by [VCPU.Init] (KVM API §4.82).
type Feature uint

// The features of a vCPU.
const (
	FeaturePowerOff       Feature = 0 // start in MPStopped
	FeatureEL132Bit       Feature = 1 // EL1 is AArch32
	FeaturePSCI02         Feature = 2 // PSCI 0.2 and later, also needed to filter its calls
	FeaturePMUv3          Feature = 3
	FeatureSVE            Feature = 4
	FeaturePtrauthAddress Feature = 5
	FeaturePtrauthGeneric Feature = 6
)

// VCPU is a virtual CPU. It belongs to one goroutine at a time; see the package comment.
type VCPU struct {
	fd int
	vm *VM
	id int

	runMap []byte
	run    *runPage // in runMap; below, the same memory as each kind of exit shows it

	hypercall *exitHypercall
	debug     *exitDebug
	mmio      *exitMMIO
	failEntry *exitFailEntry
	internal  *exitInternal
	event     *exitSystemEvent
	nisv      *exitNISV

	page    []byte
	scratch *vcpuScratch // in page
}

// vcpuScratch is the memory of a vCPU whose address is given to the kernel inside of structures.
type vcpuScratch struct {
	reg   oneReg
	value uint64
	debug guestDebug // large, so not on the stack
}

// CreateVCPU makes the vCPU with this id, from 0 up, which decides its [MPIDR] (KVM API §4.7). It cannot run before Init.
func (vm *VM) CreateVCPU(id int) (*VCPU, error) {
	fd, err := call(vm.fd, reqCreateVCPU, id, fmt.Sprintf("vCPU %d", id))
	if err != nil {
		return nil, err
	}
	v := &VCPU{fd: fd, vm: vm, id: id}
	if err := v.open(vm.runSize); err != nil {
		v.Close()
		return nil, fmt.Errorf("mmap for vCPU %d: %w", id, err)
	}
	return v, nil
}

func (v *VCPU) open(runSize int) (err error) {
	if v.runMap, err = mapShared(v.fd, runSize); err != nil {
		return err
	}
	v.run = view[runPage](v.runMap)
	exit := v.runMap[exitOffset : exitOffset+exitSize]
	v.hypercall = view[exitHypercall](exit)
	v.debug = view[exitDebug](exit)
	v.mmio = view[exitMMIO](exit)
	v.failEntry = view[exitFailEntry](exit)
	v.internal = view[exitInternal](exit)
	v.event = view[exitSystemEvent](exit)
	v.nisv = view[exitNISV](exit)

	if v.page, err = mapScratch(); err != nil {
		return err
	}
	v.scratch = view[vcpuScratch](v.page)
	v.scratch.reg.addr = offHeapAddress(&v.scratch.value)
	return nil
}

// Close releases the vCPU.
func (v *VCPU) Close() error {
	err := closeFD(v.fd)
	for _, m := range [][]byte{v.runMap, v.page} {
		if m != nil {
			err = errors.Join(err, unmap(m))
		}
	}
	*v = VCPU{fd: -1}
	return err
}

// ID returns the id that the vCPU was created with.
func (v *VCPU) ID() int { return v.id }

// Init gives the vCPU its features and puts all its registers into the state after reset: EL1h,
// interrupts masked, MMU off, PC 0. Each further Init must name the same features.
func (v *VCPU) Init(features ...Feature) error {
	init := v.vm.target
	for _, f := range features {
		init.features[f/32] |= 1 << (f % 32)
	}
	return pass(v.fd, reqARMVCPUInit, &init, fmt.Sprintf("vCPU %d, features %#x", v.id, init.features[0]))
}

// Run enters the guest until something needs attention (KVM API §4.10). nil means that Exit says what. EINTR says
// that a signal came, that SetImmediateExit(true) is in force, or that DeviceIRQLevel changed; EAGAIN
// that nothing was run and Run is to be called again. Both are returned bare, are part of everyday
// life and do not allocate. All other errors are final.
//
// Run completes what the last exit left open, such as the read of an [ExitMMIO].
func (v *VCPU) Run() error {
	_, errno := ioctlNumber(v.fd, reqRun, 0)
	switch errno {
	case 0:
		return nil
	case syscall.EINTR:
		return errInterrupted
	case syscall.EAGAIN:
		return errAgain
	}
	return v.fail(reqRun, errno)
}

// SetImmediateExit makes this and every later Run return EINTR before it enters the guest, or ends
// that. Anyone may call it at any time; a vCPU inside of the guest also needs a signal to its thread.
// End it only after Run said EINTR, and then look for work: before Run would lose a kick.
func (v *VCPU) SetImmediateExit(on bool) {
	if on {
		atomic.OrUint32(&v.run.requests, immediateExit)
	} else {
		atomic.AndUint32(&v.run.requests, ^uint32(immediateExit))
	}
}

// Exit says why the last Run that returned nil came back.
func (v *VCPU) Exit() Exit { return Exit(v.run.exitReason) }

// Hypercall describes an [ExitHypercall]: nr is the function identifier of x0. PC is past the
// instruction.
func (v *VCPU) Hypercall() (nr uint64, flags HypercallFlags) {
	return v.hypercall.nr, HypercallFlags(v.hypercall.flags)
}

// Debug describes an [ExitDebug]: the syndrome of the exception that was caught (ESR_EL2) and, for a
// watchpoint, the address.
func (v *VCPU) Debug() (esr, far uint64) {
	return uint64(v.debug.hsrHigh)<<32 | uint64(v.debug.hsr), v.debug.far
}

// MMIO describes an [ExitMMIO].
func (v *VCPU) MMIO() MMIO {
	m := MMIO{Addr: v.mmio.physAddr, Len: int(v.mmio.len), Write: v.mmio.isWrite != 0}
	if m.Write {
		for i := min(m.Len, len(v.mmio.data)) - 1; i >= 0; i-- {
			m.Data = m.Data<<8 | uint64(v.mmio.data[i])
		}
	}
	return m
}

// SetMMIOData answers the read of an [ExitMMIO]. The lower Len bytes of data count.
func (v *VCPU) SetMMIOData(data uint64) {
	for i := range v.mmio.data {
		v.mmio.data[i] = uint8(data >> (8 * i))
	}
}

// SystemEvent describes an [ExitSystemEvent].
func (v *VCPU) SystemEvent() SystemEventType { return SystemEventType(v.event.kind) }

// Failure describes an exit that leaves nothing to be served, such as [ExitInternalError] and [ExitFailEntry], with
// what KVM says of it.
func (v *VCPU) Failure() error {
	switch e := v.Exit(); e {
	case ExitInternalError:
		return fmt.Errorf("KVM cannot go on: %v, suberror %d", e, v.internal.suberror)
	case ExitFailEntry:
		return fmt.Errorf("KVM cannot go on: %v, hardware reason %#x, on CPU %d of the host", e, v.failEntry.reason, v.failEntry.cpu)
	default:
		return fmt.Errorf("KVM cannot go on: %v", e)
	}
}

// NISV describes an [ExitARMNISV]: a data abort on an address without a memslot, by an instruction
// such as LDP of which the processor tells nothing more. iss is the syndrome without its class, ipa
// the address. PC is at the instruction.
func (v *VCPU) NISV() (iss, ipa uint64) { return v.nisv.esrISS, v.nisv.faultIPA }

// DeviceIRQLevel returns the lines that in-kernel devices drive high in a VM without a vGIC, as of the
// last Run that entered the guest (KVM API §8.9). Look at it after every Run: a line that changes, up
// or down, ends Run with EINTR, but one that changes while another exit is on its way shows with that
// exit and with no other.
func (v *VCPU) DeviceIRQLevel() DeviceIRQ { return DeviceIRQ(v.run.deviceIRQLevel) }

// Get reads a register (KVM API §4.69). ENOENT says that this vCPU does not have it.
func (v *VCPU) Get(reg RegID) (uint64, error) {
	v.scratch.reg.id = uint64(reg)
	if errno := ioctlReg(v.fd, reqGetOneReg, &v.scratch.reg); errno != 0 {
		return 0, v.failReg(reqGetOneReg, reg, errno)
	}
	return v.scratch.value, nil
}

// Set writes a register (KVM API §4.68). EINVAL says that it cannot have that value.
func (v *VCPU) Set(reg RegID, value uint64) error {
	v.scratch.reg.id, v.scratch.value = uint64(reg), value
	if errno := ioctlReg(v.fd, reqSetOneReg, &v.scratch.reg); errno != 0 {
		return v.failReg(reqSetOneReg, reg, errno)
	}
	return nil
}

func (v *VCPU) fail(r request, errno syscall.Errno) error {
	return &Error{Call: r.String(), What: fmt.Sprintf("vCPU %d", v.id), Errno: errno}
}

func (v *VCPU) failReg(r request, reg RegID, errno syscall.Errno) error {
	return &Error{Call: r.String(), What: fmt.Sprintf("vCPU %d, register %#x", v.id, uint64(reg)), Errno: errno}
}
