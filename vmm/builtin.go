package vmm

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/vmm/scheduler"
)

// builtin is the primary of a machine that boots none: the scheduler in Go, whose CPUs are the pCPUs and
// whose vCPUs have registers but nothing of KVM.
type builtin struct {
	m       *Machine
	program *scheduler.Scheduler
	cpus    []builtinCPU
	input   lines
	output  answers
	started time.Time

	mu      sync.Mutex
	aborted error // the first secondary that did; it does not end the machine unless lines go to it
}

// builtinCPU is a vCPU of the built-in primary.
type builtinCPU struct {
	x     [hypercall.NumRegs]uint64
	wake  chan struct{} // one token ends a wait
	alarm *time.Timer
}

// LoadX implements hypercall.Bank.
func (c *builtinCPU) LoadX(n int) uint64 { return c.x[n] }

// StoreX implements hypercall.Bank.
func (c *builtinCPU) StoreX(n int, x uint64) { c.x[n] = x }

// Builtin reports whether hfvmm itself is the primary, because there is no image for one.
func (cfg *Config) Builtin() bool { return cfg.Primary.Kernel == "" }

// builtinABIs are the interfaces that the built-in scheduler speaks.
var builtinABIs = map[ABI]scheduler.ABI{SPCI: scheduler.SPCI, HF: scheduler.HF}

// newBuiltin makes VM 0, with cpus vCPUs.
func (m *Machine) newBuiltin(ram span, cpus int) {
	b := &builtin{m: m, cpus: make([]builtinCPU, cpus), started: time.Now()}
	v := &vm{m: m, index: len(m.vms), name: "scheduler", ram: ram}
	for i := range b.cpus {
		b.cpus[i].wake, b.cpus[i].alarm = make(chan struct{}, 1), time.NewTimer(0)
		b.cpus[i].alarm.Stop()
		c := &vcpu{vm: v}
		c.ID = hypercall.VCPUID{VM: uint16(v.index), Index: uint16(i)}
		c.Regs = hypercall.NewRegs(&b.cpus[i])
		v.vcpus = append(v.vcpus, c)
	}
	m.vms = append(m.vms, v)
	m.builtin = b
}

// start makes the scheduler ready to work. The mailbox is the first two pages of its RAM.
func (b *builtin) start() error {
	m := b.m
	b.input.queue = make(chan []byte, linesAhead)
	b.openOutput()
	cfg := scheduler.Config{
		Machine: b,
		Console: b,
		ABI:     builtinABIs[m.cfg.ABI],
		Policy:  m.cfg.Scheduler,
		CPUs:    len(b.cpus),
		Log:     func(text string) { m.log.Warn("scheduler: " + text) },
	}
	tx, rx := m.vms[0].ram.base, m.vms[0].ram.base+pageSize
	cfg.Mailbox = scheduler.Mailbox{TX: m.ram.Slice(tx, pageSize), RX: m.ram.Slice(rx, pageSize), TXIPA: tx, RXIPA: rx}
	b.program = scheduler.New(cfg)
	if err := b.program.Start(); err != nil {
		return fmt.Errorf("the built-in scheduler cannot start: %w", err)
	}
	return nil
}

// work schedules on a pCPU until the machine stops.
func (b *builtin) work(p *pcpu) {
	p.on.Store(true)
	switch b.program.Work(int(p.home.ID.Index)) {
	case scheduler.AtRest:
		b.mu.Lock()
		err := b.aborted
		b.mu.Unlock()
		if err != nil {
			b.m.end(Failed, err)
		}
		b.m.end(PoweredOff, nil)
	case scheduler.Deaf:
		b.m.end(Failed, fmt.Errorf("secondary %q takes no more messages: line %d of the input was not delivered", b.m.vms[1].name, b.input.taken))
	}
}

// abort notes that a secondary aborted. Without the one that gets the lines there is nothing left to do.
func (b *builtin) abort(v *vm) {
	err := fmt.Errorf("secondary %q aborted", v.name)
	if v.index == 1 {
		b.m.end(Failed, err)
	}
	b.mu.Lock()
	b.aborted = cmp.Or(b.aborted, err)
	b.mu.Unlock()
}

// Call implements scheduler.Machine.
func (b *builtin) Call(cpu int, r *scheduler.Regs) bool {
	p, c := b.m.pcpus[cpu], &b.cpus[cpu]
	v := p.home
	copy(c.x[:], r[:])
	v.Regs.Forget()
	out := v.vm.table.Dispatch(&v.VCPU, hypercall.FuncID(r[0]), hypercall.HVC)
	if !p.apply(out) {
		return false
	}
	for p.lent() {
		if !p.step() {
			return false
		}
	}
	v.Regs.Flush()
	copy(r[:], c.x[:])
	return true
}

// Preempt implements scheduler.Machine.
func (b *builtin) Preempt(cpu int) { b.m.pcpus[cpu].request(reqPreempt) }

// Wait implements scheduler.Machine.
func (b *builtin) Wait(cpu int, until uint64) bool {
	p, c := b.m.pcpus[cpu], &b.cpus[cpu]
	if until != scheduler.Never {
		c.alarm.Reset(b.untilTime(until))
		defer c.alarm.Stop()
	}
	b.m.brake.rest(p)
	select {
	case <-c.alarm.C:
	case <-c.wake:
	case <-b.m.stopped:
		return false
	}
	return b.m.brake.wait(p)
}

// Wake implements scheduler.Machine.
func (b *builtin) Wake(cpu int) {
	select {
	case b.cpus[cpu].wake <- struct{}{}:
	default:
	}
}

// Now implements scheduler.Machine.
func (b *builtin) Now() uint64 { return uint64(time.Since(b.started)) }

// untilTime is how long it is until a time of the scheduler's clock, 0 if that has passed.
func (b *builtin) untilTime(t uint64) time.Duration {
	now := b.Now()
	if t <= now {
		return 0
	}
	return time.Duration(min(t-now, 1<<63-1))
}

// untilAlarm is how long a run may go on before the timer of another vCPU has to be served.
func (b *builtin) untilAlarm() time.Duration { return b.untilTime(b.program.Alarm()) }
