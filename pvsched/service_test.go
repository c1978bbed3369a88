package pvsched

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

const ramBase = 0x4000_0000

// guestRAM is the memory of a VM: a page of which the second half is a mailbox.
type guestRAM struct {
	words [1024]atomic.Uint32
	taken map[uint64]int // and not released, by IPA
}

func (r *guestRAM) Take(ipa uint64) *atomic.Uint32 {
	if ipa < ramBase || ipa-ramBase > 2048-StateSize {
		return nil
	}
	if r.taken == nil {
		r.taken = map[uint64]int{}
	}
	r.taken[ipa]++
	return &r.words[(ipa-ramBase)/4]
}

func (r *guestRAM) Release(ipa uint64) {
	if r.taken[ipa]--; r.taken[ipa] == 0 {
		delete(r.taken, ipa)
	}
}

// at is the flag at an IPA, written as 9 by whoever wants to see that nobody writes it.
func (r *guestRAM) at(ipa uint64) uint32     { return r.words[(ipa-ramBase)/4].Load() }
func (r *guestRAM) set(ipa uint64, v uint32) { r.words[(ipa-ramBase)/4].Store(v) }

type bank [hypercall.NumRegs]uint64

func (b *bank) LoadX(n int) uint64     { return b[n] }
func (b *bank) StoreX(n int, v uint64) { b[n] = v }

type vcpu struct {
	hypercall.VCPU
	x bank
}

type rig struct {
	*Service
	ram   guestRAM
	vcpus [3]vcpu
	kicks []int
}

// Kick implements Kicker. A kick of vCPU 2 takes the pCPU from the caller.
func (r *rig) Kick(v *hypercall.VCPU, index int) hypercall.Outcome {
	r.kicks = append(r.kicks, index)
	if v.Regs.X(0) != success {
		panic("kicked before the result was there")
	}
	if index == 2 {
		return hypercall.Outcome{Action: hypercall.Leave}
	}
	return hypercall.Outcome{}
}

func newRig(t testing.TB) *rig {
	r := &rig{}
	for i := range r.vcpus {
		r.vcpus[i].ID.Index = uint16(i)
		r.vcpus[i].Regs = hypercall.NewRegs(&r.vcpus[i].x)
	}
	var err error
	if r.Service, err = New(Config{VCPUs: len(r.vcpus), Memory: &r.ram, Kicker: r}); err != nil {
		t.Fatal(err)
	}
	return r
}

// call makes a call with rubbish in every register that it does not take.
func (r *rig) call(index int, fn hypercall.FuncID, x1 uint64) (x0 uint64, out hypercall.Outcome) {
	v := &r.vcpus[index]
	for n := range v.x {
		v.x[n] = 0xDEAD
	}
	v.x[1] = x1
	v.Regs.Forget()
	out = r.Call(&v.VCPU, fn, hypercall.HVC)
	v.Regs.Flush()
	return v.x[0], out
}

func TestCallsAnswerAsTheABISays(t *testing.T) {
	const a, b = ramBase, ramBase + 64
	for _, c := range []struct {
		rule   string
		before func(r *rig)
		fn     hypercall.FuncID
		x1     uint64
		want   uint64
	}{
		{"features knows itself", nil, Features, uint64(Features), success},
		{"features knows init", nil, Features, uint64(IPAInit), success},
		{"features knows release", nil, Features, uint64(IPARelease), success},
		{"features knows kick", nil, Features, uint64(KickCPU), success},
		{"features looks at 32 bits", nil, Features, 0xABCD<<32 | uint64(IPAInit), success},
		{"features knows nothing else", nil, Features, uint64(KickCPU) + 1, notSupported},
		{"features of the 32-bit twin", nil, Features, 0x85000091, notSupported},
		{"the rest of the range", nil, KickCPU + 1, 0, notSupported},
		{"the end of the range", nil, Features + 15, 0, notSupported},
		{"init", nil, IPAInit, a, success},
		{"init at the last place", nil, IPAInit, ramBase + 2048 - 64, success},
		{"init off alignment", nil, IPAInit, a + 32, invalidParameter},
		{"init in a mailbox", nil, IPAInit, ramBase + 2048, invalidParameter},
		{"init below memory", nil, IPAInit, a - 64, invalidParameter},
		{"init at the end of the address space", nil, IPAInit, ^uint64(63), invalidParameter},
		{"init of another one", func(r *rig) { r.call(0, IPAInit, b) }, IPAInit, a, success},
		{"init of the same again", func(r *rig) { r.call(0, IPAInit, a) }, IPAInit, a, success},
		{"init of another vCPU's", func(r *rig) { r.call(1, IPAInit, a) }, IPAInit, a, invalidParameter},
		{"init of what another vCPU released", func(r *rig) { r.call(1, IPAInit, a); r.call(1, IPARelease, 0) }, IPAInit, a, success},
		{"release", func(r *rig) { r.call(0, IPAInit, a) }, IPARelease, 0, success},
		{"release of nothing", nil, IPARelease, 0, success},
		{"kick of a sibling", nil, KickCPU, 1, success},
		{"kick of oneself", nil, KickCPU, 0, success},
		{"kick looks at 32 bits", nil, KickCPU, 1<<32 | 1, success},
		{"kick of nobody", nil, KickCPU, 3, notSupported},
		{"kick of vCPU -1", nil, KickCPU, ^uint64(0), notSupported},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r := newRig(t)
			if c.before != nil {
				c.before(r)
			}
			if x0, out := r.call(0, c.fn, c.x1); x0 != c.want || out != (hypercall.Outcome{}) {
				t.Errorf("x0 = %#x, outcome %+v; want %#x", x0, out, c.want)
			}
			if x := r.vcpus[0].x; x[1] != 0 || x[2] != 0 || x[3] != 0 || x[4] != 0xDEAD {
				t.Errorf("x1 to x4 = %#x", x[1:5])
			}
		})
	}
}

func TestKickReachesTheSiblingAndItsOutcomeTheMachine(t *testing.T) {
	r := newRig(t)
	r.call(0, KickCPU, 1)
	r.call(0, KickCPU, 0)
	r.call(0, KickCPU, 7)
	if _, out := r.call(0, KickCPU, 2); out.Action != hypercall.Leave {
		t.Errorf("outcome %+v", out)
	}
	if len(r.kicks) != 2 || r.kicks[0] != 1 || r.kicks[1] != 2 {
		t.Errorf("kicks %v", r.kicks)
	}
}

func TestPreemptedFollowsTheSchedule(t *testing.T) {
	const a = ramBase + 128
	r := newRig(t)
	v := &r.vcpus[0].VCPU
	r.ram.set(a, 9)
	check := func(when string, want uint32) {
		t.Helper()
		if got := r.ram.at(a); got != want {
			t.Errorf("%s: preempted = %d, want %d", when, got, want)
		}
	}
	r.Enter(v, 0)
	r.Leave(v, 0)
	check("nothing registered", 9)
	r.Enter(v, 0)
	r.call(0, IPAInit, a)
	check("registered", running)
	r.Leave(v, 0)
	check("scheduled out", preempted)
	r.Enter(v, 1)
	check("scheduled in", running)
	r.Leave(v, 0)
	check("late notice of the pCPU that ran it before", running)
	r.Leave(v, 1)
	check("scheduled out of the other pCPU", preempted)
	r.Enter(v, 1)
	r.ram.set(a, 9)
	r.call(0, IPARelease, 0)
	r.Leave(v, 1)
	check("released", 9)
	r.call(0, IPAInit, a)
	r.ram.set(a, 9)
	r.Drop(v)
	r.Leave(v, 1)
	r.Enter(v, 0)
	check("dropped", 9)
}

func TestMemoryIsReleasedAsSoonAsItHasNoFlag(t *testing.T) {
	r := newRig(t)
	const a, b, none = ramBase, ramBase + 64, 0
	for _, step := range []struct {
		rule  string
		do    func()
		taken uint64
	}{
		{"a first flag", func() { r.call(0, IPAInit, a) }, a},
		{"the same again", func() { r.call(0, IPAInit, a) }, a},
		{"another one", func() { r.call(0, IPAInit, b) }, b},
		{"one that is refused", func() { r.call(0, IPAInit, b+4) }, b},
		{"another vCPU's", func() { r.call(1, IPAInit, b) }, b},
		{"none any more", func() { r.call(0, IPARelease, 0) }, none},
		{"none still", func() { r.call(0, IPARelease, 0) }, none},
		{"a last one", func() { r.call(0, IPAInit, a) }, a},
		{"that of a vCPU that is off", func() { r.Drop(&r.vcpus[0].VCPU) }, none},
	} {
		step.do()
		if n := len(r.ram.taken); step.taken == none && n != 0 || step.taken != none && (n != 1 || r.ram.taken[step.taken] != 1) {
			t.Errorf("%s: taken: %#x", step.rule, r.ram.taken)
		}
	}
}

func TestSecondStructureTakesThePlaceOfTheFirst(t *testing.T) {
	r := newRig(t)
	r.call(0, IPAInit, ramBase)
	r.call(0, IPAInit, ramBase+64)
	r.ram.set(ramBase, 9)
	r.Leave(&r.vcpus[0].VCPU, 0)
	if old, now := r.ram.at(ramBase), r.ram.at(ramBase+64); old != 9 || now != preempted {
		t.Errorf("first %d, second %d", old, now)
	}
}

// Two pCPUs hand vCPU 0 to and fro as fast as they can: while one holds it, the flag is 0.
func TestFlagIsZeroWhileTheVCPURunsHoweverLateTheLastPCPUIs(t *testing.T) {
	r := newRig(t)
	v := &r.vcpus[0].VCPU
	r.call(0, IPAInit, ramBase)
	var turn sync.Mutex // who has it may run v
	var pcpus sync.WaitGroup
	for pcpu := range 2 {
		pcpus.Go(func() {
			for range 20_000 {
				turn.Lock()
				r.Enter(v, pcpu)
				for range 3 {
					if r.ram.at(ramBase) != running {
						t.Error("scheduled in, but the flag says preempted")
					}
				}
				turn.Unlock()
				r.Leave(v, pcpu)
			}
		})
	}
	pcpus.Wait()
	if r.ram.at(ramBase) != preempted {
		t.Error("scheduled out, but the flag says running")
	}
}

func TestScheduleAllocatesNothing(t *testing.T) {
	r := newRig(t)
	v := &r.vcpus[0].VCPU
	r.call(0, IPAInit, ramBase)
	if n := testing.AllocsPerRun(100, func() { r.Enter(v, 0); r.Leave(v, 0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNewRefusesAVMWithoutVCPUsOrMachine(t *testing.T) {
	r := newRig(t)
	for _, err := range []error{
		second(New(Config{0, &r.ram, r, nil, false})), second(New(Config{1, nil, r, nil, false})), second(New(Config{1, &r.ram, nil, nil, false})),
	} {
		if err == nil {
			t.Error("accepted")
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Whatever is called and whenever vCPUs are scheduled: nothing panics, and no word changes but those of
// registered structures.
func FuzzCalls(f *testing.F) {
	f.Add([]byte{})
	script := make([]byte, 8)
	binary.LittleEndian.PutUint64(script, 0x0102_0304_0506_0708)
	f.Add(script)
	f.Add([]byte{0, 1, 0, 4, 1, 1, 0, 5, 0, 0, 2, 1, 4, 0, 3, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t)
		const untouched = 9
		for ipa := uint64(ramBase); ipa < ramBase+4096; ipa += 4 {
			r.ram.set(ipa, untouched)
		}
		var mine [3]uint64 // structures as the guest knows them
		own := func(who int, ipa uint64) {
			if old := mine[who]; old != 0 && old != ipa {
				r.ram.set(old, untouched)
			}
			mine[who] = ipa
		}
		for ; len(script) >= 4; script = script[4:] {
			who, op := int(script[0]%3), script[1]%7
			x1 := ramBase + uint64(script[2])*32 + uint64(script[3]&1)
			v := &r.vcpus[who].VCPU
			switch op {
			case 5:
				r.Enter(v, int(script[2]&1))
			case 6:
				r.Leave(v, int(script[2]&1))
			default:
				fn := Features + hypercall.FuncID(op)
				if fn == KickCPU || fn == Features {
					x1 = uint64(script[2])
				}
				switch x0, _ := r.call(who, fn, x1); {
				case fn == IPAInit && x0 == success:
					own(who, x1)
				case fn == IPARelease:
					own(who, 0)
				}
			}
			for ipa := uint64(ramBase); ipa < ramBase+4096; ipa += 4 {
				got, isMine := r.ram.at(ipa), ipa == mine[0] || ipa == mine[1] || ipa == mine[2]
				if isMine && got > preempted || !isMine && got != untouched {
					t.Fatalf("word at %#x is %d", ipa, got)
				}
				if taken := r.ram.taken[ipa]; isMine && taken != 1 || !isMine && taken != 0 {
					t.Fatalf("the word at %#x is taken %d times", ipa, taken)
				}
			}
		}
	})
}

// tracker notes what each pCPU keeps. vCPU i runs on pCPU i+10.
type tracker map[int]uint32

func (t tracker) Handle(v *hypercall.VCPU, ipa uint64) (int, uint32) {
	return int(v.ID.Index) + 10, uint32(ipa)
}
func (t tracker) Track(pcpu int, handle uint32) { t[pcpu] = handle }

func TestHostKeepsTheFlagOfWhatAPCPURunsAndNoOther(t *testing.T) {
	r, host := newRig(t), tracker{}
	r.Tracker = host
	kept := func(rule string, pcpu int, handle uint32) {
		t.Helper()
		if host[pcpu] != handle {
			t.Errorf("%s: pCPU %d keeps %#x, want %#x", rule, pcpu, host[pcpu], handle)
		}
	}
	v := &r.vcpus[0].VCPU
	r.call(0, IPAInit, ramBase)
	kept("a flag that was registered", 10, ramBase)
	r.ram.set(ramBase, running) // as the host does when it gives the pCPU back
	r.Leave(v, 10)
	kept("a vCPU that left", 10, 0)
	if got := r.ram.at(ramBase); got != preempted {
		t.Errorf("flag %d of a vCPU that left", got)
	}
	r.Enter(v, 3)
	kept("a vCPU that entered", 3, ramBase)
	r.Leave(v, 10)
	kept("an older pCPU that leaves late", 3, ramBase)
	r.Enter(v, 5) // and only then leaves the one before
	kept("a vCPU that entered while its last pCPU had not left", 5, ramBase)
	kept("a pCPU whose vCPU entered elsewhere", 3, 0)
	host[3] = 77 // of another VM
	r.Leave(v, 3)
	kept("a pCPU that leaves late and has something else by now", 3, 77)
	r.Leave(v, 5)
	r.Enter(v, 10)
	r.call(0, IPAInit, ramBase+64)
	kept("a flag that moved", 10, ramBase+64)
	r.call(0, IPARelease, 0)
	kept("a flag that was released", 10, 0)
	r.Enter(v, 4)
	kept("a vCPU without a flag", 4, 0)
	r.call(1, IPAInit, ramBase)
	r.Leave(&r.vcpus[1].VCPU, 11)
	host[11] = 77 // of another VM
	r.Drop(&r.vcpus[1].VCPU)
	kept("a vCPU that is dropped where it does not run", 11, 77)
}

func TestFeaturesNamesNoFlagThatIsNotTruthful(t *testing.T) {
	r := newRig(t)
	r.Untruthful = true
	for fn, want := range map[hypercall.FuncID]uint64{Features: success, IPAInit: notSupported, IPARelease: notSupported, KickCPU: success, KickCPU + 1: notSupported} {
		if x0, _ := r.call(0, Features, uint64(fn)); x0 != want {
			t.Errorf("FEATURES(%#x) = %#x, want %#x", uint32(fn), x0, want)
		}
	}
	if x0, _ := r.call(0, IPAInit, ramBase); x0 != success {
		t.Errorf("IPA_INIT = %#x: a guest may have the flag all the same", x0)
	}
}
