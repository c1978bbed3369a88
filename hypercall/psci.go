package hypercall

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// PSCI is the Power State Coordination Interface 1.1 (DEN0022) of the primary VM. Its vCPUs may call
// at once from several threads.
//
// vCPU 0 is on at first, every other one waits for CPU_ON. A vCPU that said CPU_OFF may be switched on
// before the machine has acted on the Off outcome: the machine must remember a Wake that comes
// early, and leave the VCPU alone between Off and Wake.
type PSCI struct {
	vcpus []*VCPU

	mu sync.Mutex
	on []bool // by vCPU index
}

// NewPSCI returns the service for a VM of these vCPUs, of which the first is running.
func NewPSCI(vcpus []*VCPU) (*PSCI, error) {
	if len(vcpus) == 0 {
		return nil, errors.New("psci: a VM needs at least one vCPU")
	}
	for i, v := range vcpus {
		if int(v.ID.Index) != i {
			return nil, fmt.Errorf("psci: vCPU %d stands at place %d", v.ID.Index, i)
		}
	}
	p := &PSCI{vcpus: vcpus, on: make([]bool, len(vcpus))}
	p.on[0] = true
	return p, nil
}

// Ranges implements Service.
func (p *PSCI) Ranges() []Range { return PSCIRanges() }

// psciCall is a row of the table of calls. The arguments are already cut to 32 bits for SMC32.
type psciCall struct {
	smc64 bool // there is an SMC64 form beside the SMC32 form
	args  int  // how many arguments it takes, from x1
	serve func(p *PSCI, v *VCPU, a psciArgs) (x0 uint64, out Outcome)
}

type psciArgs [3]uint64

// psciCalls is indexed by the lowest five bits of the function identifier. Rows without a function are
// not supported.
var psciCalls [psciCount]psciCall

// The table is filled in by init because FEATURES reads it.
func init() {
	for fn, call := range map[FuncID]psciCall{
		PSCIVersion:         {false, 0, (*PSCI).version},
		PSCICPUSuspend:      {true, 1, (*PSCI).cpuSuspend},
		PSCICPUOff:          {false, 0, (*PSCI).cpuOff},
		PSCICPUOn:           {true, 3, (*PSCI).cpuOn},
		PSCIAffinityInfo:    {true, 2, (*PSCI).affinityInfo},
		PSCIMigrateInfoType: {false, 0, (*PSCI).migrateInfoType},
		PSCISystemOff:       {false, 0, (*PSCI).systemOff},
		PSCISystemReset:     {false, 0, (*PSCI).systemReset},
		PSCIFeatures:        {false, 1, (*PSCI).features},
		PSCISystemReset2:    {true, 1, (*PSCI).systemReset2},
	} {
		psciCalls[fn%psciCount] = call
	}
}

// lookupPSCI finds the row that serves fn, if one does.
func lookupPSCI(fn FuncID) (call *psciCall, ok bool) {
	if (fn&^SMC64)-PSCIVersion >= psciCount {
		return nil, false
	}
	call = &psciCalls[fn%psciCount]
	return call, call.serve != nil && (fn&SMC64 == 0 || call.smc64)
}

// Call implements Service. Both conduits serve.
func (p *PSCI) Call(v *VCPU, fn FuncID, _ Conduit) Outcome {
	call, ok := lookupPSCI(fn)
	if !ok {
		v.Regs.SetX(0, PSCINotSupported.X())
		return Outcome{}
	}
	var a psciArgs
	for i := range call.args {
		a[i] = v.Regs.X(1 + i)
		if fn&SMC64 == 0 {
			a[i] &= math.MaxUint32
		}
	}
	x0, out := call.serve(p, v, a)
	if out.Action != Off {
		v.Regs.SetX(0, x0)
	}
	return out
}

func (p *PSCI) version(*VCPU, psciArgs) (uint64, Outcome) { return PSCIVersion11, Outcome{} }

// features answers 0 for everything served (DEN0022 §5.15): CPU_SUSPEND takes the original format of
// power_state and is platform-coordinated.
func (p *PSCI) features(_ *VCPU, a psciArgs) (uint64, Outcome) {
	fn := FuncID(a[0])
	if _, ok := lookupPSCI(fn); ok || fn == SMCCCVersion {
		return PSCISuccess.X(), Outcome{}
	}
	return PSCINotSupported.X(), Outcome{}
}

// powerStateReserved are the bits of power_state that must be zero in the original format (DEN0022
// §5.4.2).
const powerStateReserved = 0xFCFE_0000

// cpuSuspend treats every power state as standby, as DEN0022 §5.4.5 allows.
func (p *PSCI) cpuSuspend(_ *VCPU, a psciArgs) (uint64, Outcome) {
	if a[0]&powerStateReserved != 0 {
		return PSCIInvalidParameters.X(), Outcome{}
	}
	return PSCISuccess.X(), Outcome{Action: Suspend}
}

func (p *PSCI) cpuOff(v *VCPU, _ psciArgs) (uint64, Outcome) {
	p.mu.Lock()
	p.on[v.ID.Index] = false
	p.mu.Unlock()
	return 0, Outcome{Action: Off}
}

func (p *PSCI) cpuOn(_ *VCPU, a psciArgs) (uint64, Outcome) {
	affinity, entry, context := a[0], a[1], a[2]
	index, ok := AffinityIndex(affinity, len(p.vcpus))
	if !ok {
		return PSCIInvalidParameters.X(), Outcome{}
	}
	if entry%4 != 0 {
		return PSCIInvalidAddress.X(), Outcome{}
	}
	p.mu.Lock()
	if p.on[index] {
		p.mu.Unlock()
		return PSCIAlreadyOn.X(), Outcome{}
	}
	p.on[index] = true
	target := p.vcpus[index]
	target.Reset(Boot{Entry: entry, X0: context})
	p.mu.Unlock()
	return PSCISuccess.X(), Outcome{Wake: target}
}

// affinityInfo says On if any vCPU under the given affinity instance is on (DEN0022 §5.7).
func (p *PSCI) affinityInfo(_ *VCPU, a psciArgs) (uint64, Outcome) {
	affinity, level := a[0], uint32(a[1])
	if level > 3 || affinity&^AffinityMask != 0 {
		return PSCIInvalidParameters.X(), Outcome{}
	}
	mask := affinityLevels[level]
	x0 := PSCIInvalidParameters.X()
	p.mu.Lock()
	for i, on := range p.on {
		if Affinity(i)&mask != affinity&mask {
			continue
		}
		x0 = AffinityOff
		if on {
			x0 = AffinityOn
			break
		}
	}
	p.mu.Unlock()
	return x0, Outcome{}
}

// affinityLevels are the fields of an affinity that count at each lowest_affinity_level.
var affinityLevels = [4]uint64{AffinityMask, AffinityMask &^ 0xFF, AffinityMask &^ 0xFFFF, AffinityMask &^ 0xFFFFFF}

func (p *PSCI) migrateInfoType(*VCPU, psciArgs) (uint64, Outcome) {
	return TrustedOSAbsent, Outcome{}
}

func (p *PSCI) systemOff(*VCPU, psciArgs) (uint64, Outcome) {
	return PSCIInternalFailure.X(), Outcome{Action: Stop, Reason: PowerOff}
}

func (p *PSCI) systemReset(*VCPU, psciArgs) (uint64, Outcome) {
	return PSCIInternalFailure.X(), Outcome{Action: Stop, Reason: Reset}
}

// systemReset2 knows the architectural SYSTEM_WARM_RESET only (DEN0022 §5.12).
func (p *PSCI) systemReset2(v *VCPU, a psciArgs) (uint64, Outcome) {
	if uint32(a[0]) != 0 {
		return PSCIInvalidParameters.X(), Outcome{}
	}
	return p.systemReset(v, a)
}
