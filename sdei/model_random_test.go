package sdei

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hfvmm/hfvmm/hypercall"
	"github.com/hfvmm/hfvmm/hypercall/randomtest"
)

// player makes random calls and events of a VM and of the model, and compares them after each.
type player struct {
	*rig
	m     *model
	pick  randomtest.Source
	fatal func(format string, args ...any)

	kicked []int  // kicks before the step
	waited []bool // who waited then
	ran    uint64 // instructions
	steps  int
	log    [32]string

	delivered, nested, completed, resumed, bound, moved int
}

const modelPEs = 3

func newPlayer(t testing.TB, pick randomtest.Source, fatal func(string, ...any)) *player {
	p := &player{rig: newRig(t, modelPEs), m: newModel(modelPEs), pick: pick, fatal: fatal}
	p.kicked, p.waited = make([]int, modelPEs), make([]bool, modelPEs)
	for pe := range modelPEs { // as a client begins, so that events are taken at all
		for _, n := range []uint64{0, evPrivateCritical, evShared, evSharedCritical, evPrivate} {
			p.register(pe, n, 0, 0)
			p.simple(pe, EventEnable, n, p.m.enable(pe, n, true))
		}
		p.m.pes[pe].masked = false
		p.simple(pe, PEUnmask, 0, success)
	}
	return p
}

// simple makes a call with one argument that returns want.
func (p *player) simple(pe int, fn hypercall.FuncID, arg uint64, want result) {
	if got := p.call(pe, fn, arg); got != want {
		p.fatal("PE %d: %#x(%#x) returned %d, the model %d", pe, uint32(fn), arg, got, want)
	}
}

func (p *player) register(pe int, n, flags, affinity uint64) {
	entry, arg := handlerOf(n), argumentOf(n)
	if flags&2 != 0 {
		entry = n & 0xF00
	}
	want := p.m.register(pe, p.m.find(n), entry, arg, flags, affinity)
	if got := p.call(pe, EventRegister, n, entry, arg, flags, affinity); got != want {
		p.fatal("PE %d: register %#x, flags %#x, affinity %#x returned %d, the model %d", pe, n, flags, affinity, got, want)
	}
}

func (m *model) enable(pe int, n uint64, on bool) result {
	e := m.find(n)
	if e == nil {
		return invalid
	}
	h := e.on(pe)
	if !h.registered {
		return denied
	}
	h.enabled = on
	return success
}

// number picks an event: rarely one that does not exist.
//
//go:norace
func (p *player) number() uint64 {
	i := p.pick.Below(len(p.m.events)+8, "event")
	switch {
	case i < len(p.m.events):
		return p.m.events[i].number
	case i == len(p.m.events):
		return [...]uint64{1, 0x8000_0000, 0x4100_0000, 0x4000_0005}[p.pick.Below(4, "no event")]
	}
	return p.m.events[i%5].number
}

func (p *player) intid() uint64 {
	return [...]uint64{20, 21, 22, 40, 41, 42, 43, 44, activeSPI, 70, 15, 1020}[p.pick.Below(12, "INTID")]
}

// affinity picks a PE: rarely one that does not exist.
func (p *player) affinity() uint64 { return uint64(p.pick.Below(8*modelPEs+1, "PE") / 8) }

// The calls, by how often they are made.
var modelCalls = func() (deck []hypercall.FuncID) {
	for fn, n := range map[hypercall.FuncID]int{
		EventRegister: 5, EventEnable: 5, EventDisable: 1, EventContext: 2, EventComplete: 5, EventCompleteResume: 3,
		EventUnregister: 1, EventStatus: 2, EventGetInfo: 2, EventRoutingSet: 1, PEMask: 2, PEUnmask: 5, InterruptBind: 3,
		InterruptRelease: 1, EventSignal: 6,
	} {
		for range n {
			deck = append(deck, fn)
		}
	}
	slices.Sort(deck) // a seed means the same every time
	return deck
}()

// callOnce makes a random call of a random PE.
//
//go:norace
func (p *player) callOnce() {
	pe := p.pick.Below(modelPEs, "PE")
	fn := modelCalls[p.pick.Below(len(modelCalls), "call")]
	if p.pick.Below(200, "reset") == 0 {
		fn = [...]hypercall.FuncID{PrivateReset, SharedReset}[p.pick.Below(2, "which")]
	}
	p.note("PE %d: call %#x", pe, uint32(fn))
	state := &p.guests[pe].reg[PSTATE]
	*state = *state&^pstateMode | modeEL1h // it can make a call
	switch fn {
	case EventRegister:
		flags := uint64(p.pick.Below(4, "flags"))
		if p.pick.Below(32, "unknown flag") == 0 {
			flags |= 4
		}
		p.register(pe, p.number(), flags, p.affinity())
	case EventEnable, EventDisable:
		n := p.number()
		p.simple(pe, fn, n, p.m.enable(pe, n, fn == EventEnable))
	case EventUnregister:
		n, want := p.number(), invalid
		if e := p.m.find(n); e != nil {
			want = e.on(pe).unregister()
		}
		p.simple(pe, fn, n, want)
	case EventStatus:
		n, want := p.number(), invalid
		if e := p.m.find(n); e != nil {
			h := e.on(pe)
			want = flag(h.registered) | flag(h.enabled)<<1 | flag(h.running)<<2
		}
		p.simple(pe, fn, n, want)
	case EventGetInfo:
		n, what := p.number(), uint64(p.pick.Below(6, "info"))
		if got, want := p.call(pe, fn, n, what), p.m.info(p.m.find(n), what); got != want {
			p.fatal("PE %d: info %d of %#x is %d, the model %d", pe, what, n, got, want)
		}
	case EventRoutingSet:
		n, mode, affinity := p.number(), uint64(p.pick.Below(3, "mode")), p.affinity()
		want := p.m.setRouting(p.m.find(n), mode, affinity)
		if got := p.call(pe, fn, n, mode, affinity); got != want {
			p.fatal("PE %d: routing of %#x to %d, %d returned %d, the model %d", pe, n, mode, affinity, got, want)
		}
	case PEMask:
		was := p.m.pes[pe].masked
		p.m.pes[pe].masked = true
		p.simple(pe, fn, 0, flag(!was))
	case PEUnmask:
		p.m.pes[pe].masked = false
		p.simple(pe, fn, 0, success)
	case InterruptBind:
		intid := p.intid()
		if got := p.call(pe, fn, intid); !p.m.bind(intid, got) {
			p.fatal("PE %d: bind of %d returned %#x", pe, intid, int64(got))
		} else if got > 0 {
			p.bound++
		}
	case InterruptRelease:
		n, want := p.number(), invalid
		if e := p.m.find(n); e != nil && e.slot {
			want = e.release()
		}
		p.simple(pe, fn, n, want)
	case EventSignal:
		n, target, want := uint64(0), p.affinity(), invalid
		if p.pick.Below(16, "another event") == 0 {
			n = evPrivate
		}
		if n == 0 && target < modelPEs {
			p.m.find(0).on(int(target)).raise()
			want = success
		}
		if got := p.call(pe, fn, n, target); got != want {
			p.fatal("PE %d: signal of %#x to %d returned %d, the model %d", pe, n, target, got, want)
		}
	case PrivateReset, SharedReset:
		p.simple(pe, fn, 0, p.m.reset(pe, fn == SharedReset))
	case EventContext:
		p.context(pe)
	default:
		p.complete(pe, fn)
	}
	p.told(pe)
}

// context asks for a register of what was interrupted.
func (p *player) context(pe int) {
	n, stack := p.pick.Below(19, "register"), p.m.pes[pe].stack
	want := invalid
	if n < 18 {
		if want = denied; len(stack) > 0 {
			want = result(stack[len(stack)-1].x[n])
		}
	}
	p.simple(pe, EventContext, uint64(n), want)
}

// complete ends a handler, both ways: everything is as it was, but for where the PE goes on.
func (p *player) complete(pe int, fn hypercall.FuncID) {
	arg := uint64(p.pick.Below(9, "address")) * 4
	if p.pick.Below(16, "unaligned") == 0 {
		arg += 2
	}
	stack := p.m.pes[pe].stack
	switch {
	case len(stack) == 0:
		p.simple(pe, fn, arg, denied)
		return
	case fn == EventCompleteResume && arg%4 != 0:
		p.simple(pe, fn, arg, invalid)
		return
	}
	c := p.m.finish(pe)
	g := p.guests[pe]
	before := g.reg
	p.call(pe, fn, arg)
	want := before
	if fn == EventComplete {
		p.completed++
		want[PC], want[PSTATE] = c.pc, c.pstate
	} else {
		p.resumed++
		want[PC], want[PSTATE], want[ELR], want[SPSR] = arg, exceptionState(c.pstate, before[SCTLR]), c.pc, c.pstate
	}
	if g.reg != want || g.x != c.x {
		p.fatal("PE %d goes on with %#x, %#x, want %#x, %#x", pe, g.reg, g.x, want, c.x)
	}
}

// run is a PE about to enter its guest: it takes an event exactly if one is due, a critical one first.
//
//go:norace
func (p *player) run() {
	pe := p.pick.Below(modelPEs, "PE")
	g := p.guests[pe]
	p.ran++
	g.reg[PC] += 4 // the guest ran
	g.reg[PSTATE] = uint64(p.pick.Below(16, "NZCV"))<<28 | uint64(p.pick.Below(16, "DIT, UAO, PAN, SS"))<<21 | [...]uint64{0, 4, 5, 0x10}[p.pick.Below(4, "mode")] | 1<<10
	g.reg[SCTLR] = uint64(p.pick.Below(2, "SPAN"))<<23 | uint64(p.pick.Below(2, "DSSBS"))<<44
	if g.reg[PSTATE]&modeAArch32 != 0 {
		g.reg[PC] &= math.MaxUint32
	}
	g.x[p.pick.Below(hypercall.NumRegs, "register")] = p.ran
	before, x := g.reg, g.x
	p.note("PE %d runs", pe)
	n, took := p.deliver(pe)
	var critical, any bool
	for i := range p.m.events {
		if e := &p.m.events[i]; (!e.slot || e.intid != 0) && p.m.due(e, pe) {
			any, critical = true, critical || e.critical
		}
	}
	if !took {
		if any && !p.elsewhere(pe) {
			p.fatal("PE %d takes nothing, but an event is due", pe)
		}
		return
	}
	e := p.m.find(n)
	if e == nil || !p.m.due(e, pe) || critical && !e.critical {
		p.fatal("PE %d takes event %#x, which is not its turn", pe, n)
	}
	h := e.on(pe)
	h.pending, h.running = false, true
	p.delivered++
	if len(p.m.pes[pe].stack) > 0 {
		p.nested++
	}
	p.m.pes[pe].stack = append(p.m.pes[pe].stack, modelContext{e, x, before[PC], before[PSTATE]})
	want := before
	want[PC], want[PSTATE] = h.entry, exceptionState(before[PSTATE], before[SCTLR])
	if h.relative {
		want[PC] += before[VBAR]
	}
	x[0], x[1], x[2], x[3] = n, h.arg, before[PC], before[PSTATE]
	if g.reg != want || g.x != x {
		p.fatal("PE %d enters event %#x with %#x, %#x, want %#x, %#x", pe, n, g.reg, g.x, want, x)
	}
}

// elsewhere reports whether everything that is due on pe is shared and some other PE was told of it.
//
//go:norace
func (p *player) elsewhere(pe int) bool {
	for i := range p.m.events {
		e := &p.m.events[i]
		if !p.m.due(e, pe) {
			continue
		}
		known := false
		for other := range modelPEs {
			known = known || e.shared && other != pe && p.m.due(e, other) && p.waiting(other)
		}
		if !known {
			return false
		}
	}
	return true
}

//go:norace
func (p *player) waiting(pe int) bool { return p.Waiting(&p.guests[pe].VCPU) }

// happen is something that the machine does.
func (p *player) happen() {
	pe := p.pick.Below(modelPEs, "PE")
	switch n := p.pick.Below(16, "what"); {
	case n < 7:
		e := &p.m.events[1+p.pick.Below(4, "event")]
		p.note("event %#x is raised for PE %d", e.number, pe)
		e.on(pe).raise()
		if err := p.Raise(uint32(e.number), pe); err != nil {
			p.fatal("%v", err)
		}
		p.told(nobody)
	case n < 15:
		intid, high := p.intid(), p.pick.Below(2, "level") == 1
		p.note("interrupt %d of PE %d is %v", intid, pe, high)
		p.m.level(intid, pe, high)
		p.Interrupt(uint32(intid), pe, high)
		p.told(nobody)
	case p.pick.Below(6, "off") == 0:
		p.note("PE %d is switched off", pe)
		p.m.off(pe)
		p.Off(&p.guests[pe].VCPU)
		p.told(pe)
	}
}

// told fails unless every event that is due is known to a PE that can take it, and every PE that waits since this
// step was kicked once, but the one whose thread this is.
//
//go:norace
func (p *player) told(self int) {
	for pe := range modelPEs {
		waits, kicks := p.waiting(pe), p.guests[pe].kicks-p.kicked[pe]
		if want := int(flag(waits && !p.waited[pe] && pe != self)); kicks != want {
			p.fatal("PE %d was kicked %d times, waits %v, waited %v", pe, kicks, waits, p.waited[pe])
		}
	}
	for i := range p.m.events {
		e := &p.m.events[i]
		if e.slot && e.intid == 0 {
			continue
		}
		var due, known bool
		for pe := range modelPEs {
			if !p.m.due(e, pe) {
				continue
			}
			due, known = true, known || p.waiting(pe)
			if !e.shared && !p.waiting(pe) {
				p.fatal("event %#x is due on PE %d, which does not know", e.number, pe)
			}
		}
		if due && !known {
			p.fatal("event %#x is due and no PE knows", e.number)
		}
	}
}

//go:norace
func (p *player) step() {
	for pe := range modelPEs {
		p.waited[pe], p.kicked[pe] = p.waiting(pe), p.guests[pe].kicks
	}
	switch n := p.pick.Below(8, "step"); {
	case n < 4:
		p.callOnce()
	case n < 7:
		p.run()
	case p.pick.Below(64, "move") == 0:
		p.moveOn()
	default:
		p.happen()
	}
	p.steps++
}

// moveOn saves the VM and goes on with another dispatcher, which has the state restored: nobody is kicked, but
// whoever has an event to take must know.
func (p *player) moveOn() {
	p.note("the VM moves")
	p.moved++
	state := p.Save()
	fresh := newRig(p.t, modelPEs)
	for i, g := range p.guests {
		fresh.guests[i].x, fresh.guests[i].reg, fresh.guests[i].kicks = g.x, g.reg, g.kicks
	}
	if err := fresh.Restore(state); err != nil {
		p.fatal("restoring: %v", err)
	}
	p.rig = fresh
	for i := range p.m.events { // devices tell the levels of their interrupts anew
		e := &p.m.events[i]
		for pe := range e.at {
			if h := &e.at[pe]; h.level {
				h.level = false
				p.m.level(e.intid, pe, true)
				p.Interrupt(uint32(e.intid), pe, true)
			}
		}
	}
	for pe := range modelPEs {
		p.waited[pe], p.kicked[pe] = p.waiting(pe), p.guests[pe].kicks
	}
	p.told(nobody)
}

func (p *player) note(format string, args ...any) {
	if p.log[p.steps%len(p.log)] = ""; !testing.Verbose() && os.Getenv("HFVMM_SEED") == "" {
		return
	}
	p.log[p.steps%len(p.log)] = fmt.Sprintf(format, args...)
}

// Short sequences of calls, events and deliveries in any order, which rapid makes shorter still if one
// fails: they answer and dispatch as the model says, every handler goes back to what it interrupted, and
// nothing that is due is forgotten.
func TestDispatcherIsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := newPlayer(t, randomtest.Drawn{T: rt}, rt.Fatalf)
		rt.Repeat(map[string]func(*rapid.T){
			"step": func(rt *rapid.T) { p.pick, p.fatal = randomtest.Drawn{T: rt}, rt.Fatalf; p.step() },
		})
	})
}

// Five million random steps, or ten times as many with HFVMM_SOAK=1, in episodes of a VM each. An episode that
// fails tells its seed, and HFVMM_SEED=that plays it alone.
func TestMillionsOfRandomStepsAgreeWithTheModel(t *testing.T) {
	if seed, ok := randomtest.Replays(t); ok {
		episode(t, seed)
		return
	}
	want := randomtest.Steps(5_000_000)
	var sum player
	seed := rand.Uint64()
	for steps := 0; steps < want; seed++ {
		p := episode(t, seed)
		steps += p.steps
		sum.delivered += p.delivered
		sum.nested += p.nested
		sum.completed += p.completed
		sum.resumed += p.resumed
		sum.bound += p.bound
		sum.moved += p.moved
	}
	t.Logf("%d events delivered, %d nested, %d completed, %d completed and resumed, %d interrupts bound, %d moves",
		sum.delivered, sum.nested, sum.completed, sum.resumed, sum.bound, sum.moved)
	for _, n := range []int{sum.delivered, sum.nested, sum.completed, sum.resumed, sum.bound, sum.moved} {
		if n < want/3000 {
			t.Error("that is too few to be a proof")
		}
	}
}

// episode plays one VM from its beginning.
func episode(t *testing.T, seed uint64) *player {
	s := &randomtest.Seeded{}
	s.Seed(seed, 0)
	var p *player
	p = newPlayer(t, s, func(format string, args ...any) {
		t.Helper()
		where := "as it begins"
		if p != nil {
			where = fmt.Sprintf("step %d\n%s", p.steps, p.moves())
		}
		t.Fatalf("%s\nHFVMM_SEED=%d, %s", fmt.Sprintf(format, args...), seed, where)
	})
	for range randomtest.EpisodeSteps(seed) {
		p.step()
	}
	return p
}

// moves are the last steps, where they were noted: with -v or HFVMM_SEED.
func (p *player) moves() (s string) {
	for i := max(0, p.steps-len(p.log)+1); i <= p.steps; i++ {
		s += fmt.Sprintf("  step %d: %s\n", i, p.log[i%len(p.log)])
	}
	return s
}
