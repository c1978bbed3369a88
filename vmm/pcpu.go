package vmm

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/kvmarm"
)

// Requests that other threads leave for a pCPU.
const (
	// reqPreempt ends the lending of the pCPU: its own vCPU has an interrupt to take.
	reqPreempt uint32 = 1 << iota
	// reqStop ends the thread.
	reqStop
)

// pcpu is a physical CPU of the machine: one OS thread that owns one vCPU of the primary and, while
// that vCPU is inside its interface's call to run another, runs a secondary's vCPU in its place. There
// is no hand-off between threads on this path.
type pcpu struct {
	m     *Machine
	home  *vcpu
	power chan struct{} // one token for each CPU_ON of home
	watch watcher
	early bool // home does not run: the primary has not started, or partitions are told that the pCPU goes off
	alarm alarm

	tid      atomic.Int64
	cur      atomic.Pointer[vcpu] // whose KVM_RUN the thread is in, or enters next
	switches atomic.Uint64        // lendings begun and ended; odd while the pCPU is lent
	runs     atomic.Uint64        // KVM_RUNs begun
	requests atomic.Uint32
	on       atomic.Bool   // home is powered on
	moving   atomic.Bool   // it is in KVM_RUN, or enters it next: see brake
	resting  bool          // it waits for the brake, or for a CPU_ON that has not come; guarded by the brake
	overdue  atomic.Uint64 // the lending, a value of switches, that the watcher wants to end
	idleRun  atomic.Uint64 // the KVM_RUN in which the watcher saw cur blocked in WFI
	entered  uint64        // counter value when cur, of a secondary, was entered
	cut      bool          // the run of cur that ends now did not end by itself
}

func newPCPU(m *Machine, home *vcpu) (*pcpu, error) {
	p := &pcpu{m: m, home: home, power: make(chan struct{}, 1)}
	p.cur.Store(home)
	p.on.Store(home.ID.Index == 0)
	return p, p.watch.init(p)
}

// lent reports whether a secondary's vCPU has the pCPU.
func (p *pcpu) lent() bool { return p.switches.Load()&1 != 0 }

// request leaves a request and, if that may be waiting, ends the KVM_RUN that the pCPU is in. The
// owner stores cur before it loads requests, and here it is the other way round: one of the two
// sees the other.
func (p *pcpu) request(r uint32) {
	p.requests.Or(r)
	if v := p.cur.Load(); r != reqPreempt || v != p.home {
		p.kick(v)
	}
}

// kick ends the pCPU's KVM_RUN of v.
func (p *pcpu) kick(v *vcpu) {
	if v.kvm == nil { // built in
		return
	}
	v.kvm.SetImmediateExit(true)
	if tid := p.tid.Load(); tid != 0 {
		interrupt(int(tid))
	}
}

// cpuTime is how long the pCPU's thread has had a CPU of the host.
func (p *pcpu) cpuTime() time.Duration { return threadTime(int(p.tid.Load())) }

// loop runs until the machine stops. The thread ends with it.
func (p *pcpu) loop() {
	runtime.LockOSThread()
	p.tid.Store(int64(gettid()))
	if err := p.m.host.follow(p); err != nil {
		p.m.end(Crashed, err)
		return
	}
	if b := p.m.builtin; b != nil {
		b.work(p)
		return
	}
	if err := p.alarm.init(); err != nil {
		p.m.crash(p.home, err)
		return
	}
	defer p.alarm.timer.close()
	if p.home.ID.Index != 0 && !p.waitPower() {
		return
	}
	if p.home.ID.Index == 0 && !p.initialize() {
		return
	}
	for p.step() {
	}
}

// step runs the vCPU that has the pCPU once, serves what ended that, and reports whether the pCPU goes on.
func (p *pcpu) step() bool {
	if !p.serveRequests() {
		return false
	}
	v := p.cur.Load()
	if v.kvm == nil || v == p.home && p.early { // given back to a primary that is built in, or that has not started
		return true
	}
	if err := v.prepare(); err != nil {
		p.m.crash(v, err)
		return false
	}
	err := p.run(v)
	v.ran = true
	v.Regs.Forget()
	if v != p.home {
		v.watchTimer()
	}
	out, ok := p.exit(v, err)
	if out == (hypercall.Outcome{}) && v.timerFired {
		out = p.timerFired(v)
	}
	return ok && p.apply(out)
}

// serveRequests takes the requests and reports whether the pCPU goes on.
func (p *pcpu) serveRequests() bool {
	if p.alarmed() || p.lent() && p.overdue.Load() == p.switches.Load() {
		p.requests.Or(reqPreempt)
	}
	if p.requests.Load() == 0 {
		return true
	}
	r := p.requests.Swap(0)
	if r&reqStop != 0 {
		return false
	}
	if v := p.cur.Load(); v != p.home {
		return p.apply(p.preempt(v))
	}
	return true
}

// preempt takes the pCPU back from a secondary's vCPU, unless that is a partition that may go on. The watcher then asks
// again at its next tick.
func (p *pcpu) preempt(v *vcpu) hypercall.Outcome {
	if out, aborted := p.externallyAborted(v); aborted {
		return out
	}
	p.cut = true
	p.overdue.Store(0)
	return p.m.core.Preempt(&v.VCPU)
}

// apply moves control as a service asked and reports whether the pCPU goes on.
func (p *pcpu) apply(out hypercall.Outcome) bool {
	p.m.sgis.deliver(p.m)
	if out.Wake != nil {
		p.m.core.PowerOn(out.Wake)
		p.m.pcpus[out.Wake.ID.Index].powerOn()
	}
	if out.Ended {
		p.ended(p.cur.Load().vm)
	}
	switch out.Action {
	case hypercall.Enter:
		p.enter(p.m.vcpu(out.VCPU.ID))
	case hypercall.Leave:
		p.enter(p.home)
	case hypercall.Suspend:
		return p.suspend()
	case hypercall.Off:
		return p.waitPower()
	case hypercall.Stop:
		p.m.stop(out.Reason)
		return false
	}
	return true
}

// enter makes v the vCPU that the pCPU runs.
func (p *pcpu) enter(v *vcpu) {
	old := p.cur.Load()
	if old == v {
		return
	}
	old.schedule(p, false)
	p.cur.Store(v)
	if old == p.home || v == p.home { // the pCPU stays lent where one secondary enters another
		p.switches.Add(1)
	}
	v.schedule(p, true)
	if v != p.home {
		if v.vm.dead.Load() { // it died after the core let v run, and before it could know where
			p.requests.Or(reqPreempt)
		}
		p.entered = kvmarm.Counter()
		p.watch.wake()
	}
	switch p.home {
	case v:
		p.noteRun(old)
	case old:
		if !v.brief.Load() {
			p.setAlarm()
		}
	}
}

// powerOn gives p the token of a CPU_ON. Home counts as on from here: whoever switched it on may itself go off
// before home, which may still be on its way to waitPower, takes the token.
func (p *pcpu) powerOn() {
	p.m.poweredOn()
	b := &p.m.brake
	b.mu.Lock()
	p.resting = false
	p.power <- struct{}{} // there is room: home is off, and stays off until it has taken this one
	b.mu.Unlock()
}

// waitPower waits, with home powered off, for its CPU_ON.
func (p *pcpu) waitPower() bool {
	p.on.Store(false)
	p.stopAlarm()
	p.m.poweredOff()
	b := &p.m.brake
	b.mu.Lock()
	p.resting = len(p.power) == 0
	b.changed.Broadcast()
	b.mu.Unlock()
	select {
	case <-p.power:
		p.on.Store(true)
		return true
	case <-p.m.stopped:
		return false
	}
}

// suspend stops home until an interrupt is pending for it, which the in-kernel GIC knows.
func (p *pcpu) suspend() bool {
	if err := p.home.kvm.SetMPState(kvmarm.MPSuspended); err != nil {
		p.m.crash(p.home, err)
		return false
	}
	p.home.suspended = true
	return true
}
