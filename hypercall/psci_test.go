package hypercall

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func newPSCI(t testing.TB, n int) (*PSCI, []*guest) {
	t.Helper()
	guests := make([]*guest, n)
	vcpus := make([]*VCPU, n)
	for i := range guests {
		guests[i] = newGuest(0, uint16(i))
		vcpus[i] = &guests[i].VCPU
	}
	p, err := NewPSCI(vcpus)
	if err != nil {
		t.Fatal(err)
	}
	return p, guests
}

func TestPSCIAnswersOfAVMWithTwoVCPUs(t *testing.T) {
	const top = 0xABCD_0000_0000_0000 // rubbish in the upper half of a 32-bit call's registers
	for _, c := range []struct {
		name string
		fn   FuncID
		args []uint64
		x0   uint64
		want Outcome
	}{
		{"version is 1.1", PSCIVersion, nil, 0x10001, Outcome{}},
		{"version has no 64-bit form", PSCIVersion | SMC64, nil, PSCINotSupported.X(), Outcome{}},
		{"nothing is trusted here", PSCIMigrateInfoType, nil, 2, Outcome{}},
		{"migrate", PSCIMigrate, nil, PSCINotSupported.X(), Outcome{}},
		{"the last of the range", 0x8400001F, nil, PSCINotSupported.X(), Outcome{}},

		{"features of version", PSCIFeatures, []uint64{uint64(PSCIVersion)}, 0, Outcome{}},
		{"features of cpu_on, 32", PSCIFeatures, []uint64{uint64(PSCICPUOn)}, 0, Outcome{}},
		{"features of cpu_on, 64", PSCIFeatures, []uint64{uint64(PSCICPUOn | SMC64)}, 0, Outcome{}},
		{"features looks at w1 only", PSCIFeatures, []uint64{top | uint64(PSCICPUOn)}, 0, Outcome{}},
		{"features of cpu_suspend: original format", PSCIFeatures, []uint64{uint64(PSCICPUSuspend)}, 0, Outcome{}},
		{"features of system_reset2", PSCIFeatures, []uint64{uint64(PSCISystemReset2 | SMC64)}, 0, Outcome{}},
		{"features of smccc_version", PSCIFeatures, []uint64{uint64(SMCCCVersion)}, 0, Outcome{}},
		{"features of cpu_off has no 64-bit form", PSCIFeatures, []uint64{uint64(PSCICPUOff | SMC64)}, PSCINotSupported.X(), Outcome{}},
		{"features of system_suspend", PSCIFeatures, []uint64{uint64(PSCISystemSuspend)}, PSCINotSupported.X(), Outcome{}},
		{"features of something else", PSCIFeatures, []uint64{0x84000060}, PSCINotSupported.X(), Outcome{}},
		{"features of 0", PSCIFeatures, []uint64{0}, PSCINotSupported.X(), Outcome{}},

		{"vCPU 0 is on", PSCIAffinityInfo | SMC64, []uint64{0, 0}, AffinityOn, Outcome{}},
		{"vCPU 1 is off", PSCIAffinityInfo | SMC64, []uint64{1, 0}, AffinityOff, Outcome{}},
		{"the cluster is on", PSCIAffinityInfo, []uint64{1, 1}, AffinityOn, Outcome{}},
		{"the system is on", PSCIAffinityInfo | SMC64, []uint64{1, 3}, AffinityOn, Outcome{}},
		{"level 4", PSCIAffinityInfo | SMC64, []uint64{0, 4}, PSCIInvalidParameters.X(), Outcome{}},
		{"vCPU 2", PSCIAffinityInfo | SMC64, []uint64{2, 0}, PSCIInvalidParameters.X(), Outcome{}},
		{"another cluster", PSCIAffinityInfo | SMC64, []uint64{0x100, 1}, PSCIInvalidParameters.X(), Outcome{}},
		{"reserved affinity bits", PSCIAffinityInfo | SMC64, []uint64{0x80000000, 0}, PSCIInvalidParameters.X(), Outcome{}},
		{"32-bit affinity ignores the rest", PSCIAffinityInfo, []uint64{top | 1, top}, AffinityOff, Outcome{}},

		{"suspend is standby", PSCICPUSuspend | SMC64, []uint64{0, 0x1000, 1}, 0, Outcome{Action: Suspend}},
		{"suspend to power-down is standby too", PSCICPUSuspend, []uint64{0x0101_0000, 0x1000, 1}, 0, Outcome{Action: Suspend}},
		{"suspend with reserved bits", PSCICPUSuspend, []uint64{1 << 31}, PSCIInvalidParameters.X(), Outcome{}},

		{"cpu_on of one that is on", PSCICPUOn | SMC64, []uint64{0, 0x1000, 0}, PSCIAlreadyOn.X(), Outcome{}},
		{"cpu_on of vCPU 2", PSCICPUOn | SMC64, []uint64{2, 0x1000, 0}, PSCIInvalidParameters.X(), Outcome{}},
		{"cpu_on with reserved bits", PSCICPUOn | SMC64, []uint64{1 << 31, 0x1000, 0}, PSCIInvalidParameters.X(), Outcome{}},
		{"cpu_on of everything", PSCICPUOn | SMC64, []uint64{^uint64(0), 0x1000, 0}, PSCIInvalidParameters.X(), Outcome{}},
		{"cpu_on at an odd address", PSCICPUOn | SMC64, []uint64{1, 0x1002, 0}, PSCIInvalidAddress.X(), Outcome{}},

		{"warm reset", PSCISystemReset2 | SMC64, []uint64{0, 7}, PSCIInternalFailure.X(), Outcome{Action: Stop, Reason: Reset}},
		{"vendor reset", PSCISystemReset2, []uint64{0x8000_0001}, PSCIInvalidParameters.X(), Outcome{}},
		{"reset", PSCISystemReset, nil, PSCIInternalFailure.X(), Outcome{Action: Stop, Reason: Reset}},
		{"off", PSCISystemOff, nil, PSCIInternalFailure.X(), Outcome{Action: Stop, Reason: PowerOff}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, g := newPSCI(t, 2)
			x0, out := g[0].call(p, c.fn, c.args...)
			if x0 != c.x0 || out != c.want {
				t.Errorf("x0 = %#x, outcome %+v; want %#x, %+v", x0, out, c.x0, c.want)
			}
		})
	}
}

func TestCPUOnGivesTheTargetItsBootState(t *testing.T) {
	p, g := newPSCI(t, 2)
	x0, out := g[0].call(p, PSCICPUOn|SMC64, 1, 0x4008_0000, 0xC0FFEE)
	if x0 != PSCISuccess.X() || out != (Outcome{Wake: &g[1].VCPU}) {
		t.Fatalf("x0 = %#x, outcome %+v", x0, out)
	}
	if b, ok := g[1].TakeBoot(); !ok || b != (Boot{Entry: 0x4008_0000, X0: 0xC0FFEE}) {
		t.Fatalf("boot = %+v, %v", b, ok)
	}
	if x0, _ := g[1].call(p, PSCIAffinityInfo|SMC64, 1, 0); x0 != AffinityOn {
		t.Errorf("affinity info = %d after cpu_on", x0)
	}
	if _, out := g[1].call(p, PSCICPUOff); out != (Outcome{Action: Off}) {
		t.Errorf("cpu_off: %+v", out)
	}
	if x0, _ := g[0].call(p, PSCIAffinityInfo|SMC64, 1, 0); x0 != AffinityOff {
		t.Errorf("affinity info = %d after cpu_off", x0)
	}
}

func TestCPUOnOf32BitsCutsItsArguments(t *testing.T) {
	p, g := newPSCI(t, 2)
	const top = 0xFFFF_FFFF_0000_0000
	if x0, _ := g[0].call(p, PSCICPUOn, top|1, top|0x1000, top|5); x0 != 0 {
		t.Fatalf("x0 = %#x", x0)
	}
	if b, _ := g[1].TakeBoot(); b != (Boot{Entry: 0x1000, X0: 5}) {
		t.Fatalf("boot = %+v", b)
	}
}

// Every CPU_ON that succeeds must wake exactly one boot, however it races with others and with the
// target's CPU_OFF.
func TestCPUOnRacingWithCPUOffWakesOncePerSuccess(t *testing.T) {
	const rounds = 2000
	p, g := newPSCI(t, 3)
	wake := make(chan *VCPU, 1) // remembers one early wake, as the machine must
	var done atomic.Bool
	var successes, boots int64

	var callers, target sync.WaitGroup
	for i := range 2 {
		callers.Go(func() {
			for !done.Load() {
				x0, out := g[2*i].call(p, PSCICPUOn|SMC64, 1, 0x1000, 0)
				switch {
				case x0 == PSCISuccess.X():
					atomic.AddInt64(&successes, 1)
					wake <- out.Wake
				case x0 == PSCIAlreadyOn.X() && out == (Outcome{}):
					runtime.Gosched()
				default:
					t.Errorf("cpu_on: x0 = %#x, outcome %+v", x0, out)
				}
			}
		})
	}
	target.Go(func() {
		for v := range wake {
			if _, ok := v.TakeBoot(); !ok {
				t.Error("woken without a boot state")
			}
			if boots++; boots == rounds {
				done.Store(true)
				return
			}
			g[1].call(p, PSCICPUOff)
		}
	})
	target.Wait()
	callers.Wait()
	if successes != rounds {
		t.Errorf("%d successes, %d boots", successes, boots)
	}
}

func TestNewPSCIRefusesAnUnorderedVM(t *testing.T) {
	if _, err := NewPSCI(nil); err == nil {
		t.Error("no vCPU accepted")
	}
	if _, err := NewPSCI([]*VCPU{&newGuest(0, 1).VCPU}); err == nil {
		t.Error("vCPU 1 accepted as vCPU 0")
	}
}

func TestAffinityIsKVMs(t *testing.T) {
	for _, c := range []struct {
		index    int
		affinity uint64
	}{{0, 0}, {1, 1}, {15, 15}, {16, 0x100}, {511, 0x1F0F}, {4096, 0x1_0000}} {
		if got := Affinity(c.index); got != c.affinity {
			t.Errorf("Affinity(%d) = %#x, want %#x", c.index, got, c.affinity)
		}
		if i, ok := AffinityIndex(c.affinity, c.index+1); i != c.index || !ok {
			t.Errorf("AffinityIndex(%#x) = %d, %v", c.affinity, i, ok)
		}
		if _, ok := AffinityIndex(c.affinity, c.index); ok {
			t.Errorf("AffinityIndex(%#x) exists in a VM of %d vCPUs", c.affinity, c.index)
		}
	}
	for _, a := range []uint64{0x10, 0x80, 1 << 24, 1 << 31, 1 << 32, ^uint64(0)} {
		if i, ok := AffinityIndex(a, 1<<20); ok {
			t.Errorf("AffinityIndex(%#x) = %d, want none", a, i)
		}
	}
}
