package ffa

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/hfvmm/hfvmm/hypercall/randomtest"
)

func (m *model) chance(of int, what string) bool { return m.pick.Below(of, what) == 0 }

// target picks a VM, or now and then none, and its id.
//
//go:norace
func (m *model) target() (*modelVM, uint64) {
	i := m.pick.Below(33, "VM") / 8
	if i >= len(m.vm) {
		return nil, m.id(i)
	}
	return m.vm[i], m.id(i)
}

// sibling picks a vCPU of a VM, or now and then none.
//
//go:norace
func (m *model) sibling(vm *modelVM) uint64 {
	n := 1
	if vm != nil {
		n = len(vm.cpu)
	}
	if m.chance(64, "no such vCPU") {
		return uint64(n)
	}
	return uint64(m.pick.Below(n, "vCPU"))
}

// likely picks a vCPU of a secondary that can be run, if one is found soon.
//
//go:norace
func (m *model) likely() (*modelVM, uint64) {
	for range 4 {
		vm := m.vm[1+m.pick.Below(len(m.vm)-1, "VM")]
		c := vm.cpu[m.pick.Below(len(vm.cpu), "vCPU")]
		if !vm.dead && (c.state == isReady || c.state > isRunning && (c.line() || c.fired() || c.state == awaitsMessage && vm.box == unread)) {
			return vm, uint64(c.ID.Index)
		}
	}
	vm := m.vm[1+m.pick.Below(len(m.vm)-1, "VM")]
	return vm, m.sibling(vm)
}

// rouse injects an interrupt that a blocked vCPU lets through, if one is found soon.
//
//go:norace
func (m *model) rouse(c *modelCPU) {
	for range 4 {
		vm := m.vm[1+m.pick.Below(len(m.vm)-1, "VM")]
		v := vm.cpu[m.pick.Below(len(vm.cpu), "vCPU")]
		if !vm.dead && v.state > isRunning && v.enabled != 0 {
			m.inject(c, vm, m.id(vm.index), uint64(v.ID.Index), uint64(bits.TrailingZeros64(v.enabled)))
			return
		}
	}
}

// prepare has c enable an interrupt before it blocks for ever, mostly.
func (m *model) prepare(c *modelCPU) {
	if c.enabled == 0 && !c.armed && !m.chance(16, "for ever") {
		m.enable(c, uint64(m.pick.Below(5, "INTID")), true)
	}
	for c.line() && !m.chance(4, "leave it pending") {
		m.take(c)
	}
}

// reachable picks whom to write to: mostly one that can take it.
func (m *model) reachable() (*modelVM, uint64) {
	vm, id := m.target()
	if m.chance(2, "any") || vm != nil && vm.mapped && vm.box == empty {
		return vm, id
	}
	return m.target()
}

// intid picks one of few interrupts, so that they meet, or now and then none.
func (m *model) intid() uint64 {
	if m.chance(64, "no such INTID") {
		return 64
	}
	return uint64(m.pick.Below(5, "INTID"))
}

func (m *model) size() uint64 {
	return [...]uint64{0, 1, 8, 8, 8, 8, 16, 4095, 4096, 4097, 1<<32 - 1}[m.pick.Below(11, "size")]
}

// somewhere picks an address: mostly the beginning of a page of that VM.
func (m *model) somewhere(vm int) uint64 {
	switch m.pick.Below(16, "where") {
	case 0:
		return ramOf(vm).Base + 8
	case 1:
		return ramBase + PageSize*uint64(m.pick.Below(34, "page"))
	}
	return ramOf(vm).Base + PageSize*uint64(m.pick.Below(vmSize/PageSize, "page"))
}

func (m *model) span(vm int) Span {
	s := Span{m.somewhere(vm), PageSize * uint64(1+m.pick.Below(2, "pages"))}
	if m.chance(32, "no range") {
		s.Size = [...]uint64{0, 8, 1 << 63, -s.Base}[m.pick.Below(4, "size")]
	}
	return s
}

// giver picks the VM whose memory c is to give away: mostly its own.
func (m *model) giver(c *modelCPU) int {
	if m.chance(3, "what it borrowed") {
		return m.pick.Below(len(m.vm), "owner")
	}
	return c.vm.index
}

// restricted finds a page that c's VM owns and may not do everything with.
func (m *model) restricted(c *modelCPU) (ipa uint64, ok bool) {
	for first, i := m.pick.Below(len(m.pages), "page"), 0; i < len(m.pages); i++ {
		if at := (first + i) % len(m.pages); m.pages[at].owner == c.vm.index && m.pages[at].own != rwx {
			return ramBase + uint64(at)*PageSize, true
		}
	}
	return 0, false
}

// scribble has c write to a page, if it may.
func (m *model) scribble(c *modelCPU) {
	if a := m.somewhere(m.giver(c)) &^ (PageSize - 1); m.may(c.vm, a, Write) {
		m.mail++
		binary.LittleEndian.PutUint64(m.page(a), uint64(m.mail))
		binary.LittleEndian.PutUint64(m.at(a), uint64(m.mail))
	}
}

// rights picks what the receiver of memory may do with it.
func (m *model) rights() Access {
	return [...]Access{rwx, rwx, rwx, rw, rox, ro}[m.pick.Below(6, "access")]
}

// settleLoan has c give a page that it borrows back, or give one that it lends to whoever borrows it.
func (m *model) settleLoan(c *modelCPU) {
	for first, i := m.pick.Below(len(m.pages), "page"), 0; i < len(m.pages); i++ {
		at := (first + i) % len(m.pages)
		kind, to := 3, m.pages[at].owner
		if to == c.vm.index {
			kind, to = 0, m.pages[at].borrower
		} else if m.pages[at].borrower != c.vm.index {
			continue
		}
		if to < 0 {
			continue
		}
		s := Span{ramBase + uint64(at)*PageSize, PageSize}
		if kind == 3 && m.chance(2, "share_memory") {
			m.shareMemory(c, m.vm[to], m.id(to), 0, s)
			return
		}
		t := transferOf{kind: kind, access: m.pages[at].own, spans: []Span{s}}
		m.sendMemory(c, m.vm[to], m.id(to), m.id(to), false, uint32(m.pick.Below(2, "zero")), t)
		return
	}
}

// action is something that a vCPU that has a pCPU does, by how often it does so in each interface.
type action struct {
	name     string
	spci, hf int
	do       func(m *model, c *modelCPU)
}

var (
	everybody = []action{
		{"send", 12, 12, func(m *model, c *modelCPU) {
			from := m.id(c.vm.index)
			if m.chance(64, "from another") {
				from++
			}
			to, id := m.reachable()
			m.send(c, from, to, id, m.size(), m.chance(2, "notify"))
		}},
		{"release", 9, 9, func(m *model, c *modelCPU) { m.release(c) }},
		{"configure", 5, 5, func(m *model, c *modelCPU) {
			tx, rx, count := txOf(c.vm.index), rxOf(c.vm.index), uint64(1)
			if c.vm.mapped && !m.chance(8, "again") {
				return
			}
			if m.chance(2, "elsewhere") {
				tx, rx = m.somewhere(c.vm.index), m.somewhere(c.vm.index)
			}
			if a, ok := m.restricted(c); ok && m.chance(2, "a restricted page") {
				rx = a
			}
			if m.chance(16, "two pages") {
				count = 2
			}
			m.configure(c, tx, rx, count)
		}},
		{"inject", 6, 6, func(m *model, c *modelCPU) {
			vm, id := m.target()
			m.inject(c, vm, id, m.sibling(vm), m.intid())
		}},
		{"enable", 3, 3, func(m *model, c *modelCPU) { m.enable(c, m.intid(), !m.chance(3, "off")) }},
		{"take", 3, 3, func(m *model, c *modelCPU) { m.take(c) }},
		{"writable", 3, 3, func(m *model, c *modelCPU) { m.writable(c) }},
		{"ask", 1, 1, func(m *model, c *modelCPU) {
			vm, id := m.target()
			m.ask(c, m.pick.Below(3, "what"), vm, id)
		}},
		{"share", 2, 0, func(m *model, c *modelCPU) {
			to, id := m.target()
			m.stage2.full = m.chance(16, "no room")
			m.shareMemory(c, to, id, m.pick.Below(13, "how")/4, m.span(m.giver(c)))
		}},
		{"memory", 6, 0, func(m *model, c *modelCPU) {
			to, id := m.reachable()
			inside := id
			if m.chance(32, "for another") {
				inside++
			}
			t := transferOf{kind: m.pick.Below(17, "kind") / 4, access: m.rights()}
			owner := m.giver(c)
			for range 1 + m.pick.Below(3, "spans") {
				t.spans = append(t.spans, Span{m.somewhere(owner), PageSize * uint64(m.pick.Below(3, "pages"))})
			}
			if a, ok := m.restricted(c); ok && m.chance(4, "a restricted page") {
				t.spans = []Span{{a, PageSize}}
			}
			m.stage2.full = m.chance(16, "no room")
			m.sendMemory(c, to, id, inside, m.chance(2, "notify"), uint32(m.pick.Below(2, "zero")), t)
		}},
		{"settle a loan", 1, 0, func(m *model, c *modelCPU) { m.settleLoan(c) }},
		{"scribble", 3, 1, func(m *model, c *modelCPU) { m.scribble(c) }},
		{"info", 1, 0, func(m *model, c *modelCPU) { m.info(c) }},
		{"pin", 1, 1, func(m *model, c *modelCPU) {
			if m.pins < 3 && m.chance(8, "pin") {
				m.pins++
				m.pin(c.vm, m.somewhere(c.vm.index))
			}
			if m.chance(32, "unpin") {
				m.unpin(m.somewhere(c.vm.index))
			}
		}},
		{"time passes", 2, 2, func(m *model, _ *modelCPU) { m.advance(uint64(m.pick.Below(64, "ns"))) }},
	}

	ofThePrimary = append([]action{
		{"rouse", 10, 10, func(m *model, c *modelCPU) { m.rouse(c) }},
		{"run", 40, 40, func(m *model, c *modelCPU) {
			vm, index := m.likely()
			m.run(c, vm, m.id(vm.index), index)
		}},
		{"run anything", 1, 1, func(m *model, c *modelCPU) {
			vm, id := m.target()
			m.run(c, vm, id, m.sibling(vm))
		}},
		{"waiter", 8, 8, func(m *model, c *modelCPU) {
			vm, id := m.target()
			m.waiter(c, vm, id)
		}},
		{"receive", 1, 1, func(m *model, c *modelCPU) { m.receive(c, m.chance(2, "block")) }},
		{"yield", 1, 1, func(m *model, c *modelCPU) { m.yield(c) }},
	}, everybody...)

	ofSecondaries = append([]action{
		{"wait", 16, 16, func(m *model, c *modelCPU) { m.prepare(c); m.receive(c, true) }},
		{"poll", 4, 4, func(m *model, c *modelCPU) { m.receive(c, false) }},
		{"run", 1, 1, func(m *model, c *modelCPU) {
			vm, id := m.target()
			m.run(c, vm, id, m.sibling(vm))
		}},
		{"waiter", 1, 1, func(m *model, c *modelCPU) {
			vm, id := m.target()
			m.waiter(c, vm, id)
		}},
		{"yield", 3, 3, func(m *model, c *modelCPU) { m.yield(c) }},
		{"preempt", 6, 6, func(m *model, c *modelCPU) { m.preempt(c) }},
		{"wfi", 4, 4, func(m *model, c *modelCPU) { m.prepare(c); m.wfi(c) }},
		{"suspend", 2, 2, func(m *model, c *modelCPU) { m.prepare(c); m.suspend(c) }},
		{"on", 4, 4, func(m *model, c *modelCPU) { m.on(c, m.sibling(c.vm), m.somewhere(c.vm.index), uint64(m.mail)) }},
		{"off", 1, 1, func(m *model, c *modelCPU) {
			if c.ID.Index != 0 || m.chance(16, "vCPU 0") {
				m.switchOff(c)
			}
		}},
		{"affinity", 1, 1, func(m *model, c *modelCPU) { m.affinity(c, m.sibling(c.vm), uint64(m.pick.Below(9, "level")/8)) }},
		{"kick", 3, 3, func(m *model, c *modelCPU) { m.kick(c, m.pick.Below(len(c.vm.cpu), "vCPU")) }},
		{"arm", 3, 3, func(m *model, c *modelCPU) {
			if c.armed = !m.chance(8, "stop"); c.armed {
				c.deadline = m.now + uint64(m.pick.Below(100, "ns"))
			}
			c.guest.armed, c.guest.deadline = c.armed, c.deadline
		}},
		{"timer", 2, 2, func(m *model, c *modelCPU) {
			switch {
			case !c.fired():
			case m.chance(2, "as it is run"):
				m.fires(c)
			default:
				m.expire(c)
			}
		}},
		{"abort", 1, 1, func(m *model, c *modelCPU) {
			of := 200
			for _, sibling := range c.vm.cpu {
				if sibling != c && sibling.state == isRunning { // the more interesting case
					of = 5
				}
			}
			if m.chance(of, "abort") {
				m.abort(c)
			}
		}},
	}, everybody...)
)

// alsoAbort is what a vCPU of a dead VM that still runs does often.
var alsoAbort = action{name: "abort as well", do: func(m *model, c *modelCPU) { m.abort(c) }}

// deck has each action as often as its weight, for one interface.
func deck(actions []action, hf bool) (d []*action) {
	for i := range actions {
		n := actions[i].spci
		if hf {
			n = actions[i].hf
		}
		for range n {
			d = append(d, &actions[i])
		}
	}
	return d
}

// player makes random steps, on the pCPU of a random vCPU of the primary.
type player struct {
	*model
	decks [2][]*action // the primary's, the secondaries'
	moved int
	log   [32]move // the last
}

type move struct {
	who  string
	what *action
}

func newPlayer(t tester, hf bool, pick randomtest.Source) *player {
	return &player{model: newModel(t, hf, pick), decks: [2][]*action{deck(ofThePrimary, hf), deck(ofSecondaries, hf)}}
}

//go:norace
func (p *player) step() {
	c := p.vm[0].cpu[p.pick.Below(len(p.vm[0].cpu), "pCPU")]
	cards := p.decks[0]
	if c.lent != nil {
		c, cards = c.lent, p.decks[1]
	}
	a := cards[p.pick.Below(len(cards), "action")]
	if c.vm.dead && p.chance(4, "abort as well") {
		a = &alsoAbort
	}
	p.log[p.moved%len(p.log)] = move{names[c.vm.index][c.ID.Index], a}
	p.moved++
	a.do(p.model, c)
	p.check(c)
	p.check(p.all[p.moved%len(p.all)])
	if p.moved%1024 == 0 {
		p.checkMemory()
	}
}

var names = [][]string{{"0.0", "0.1", "0.2"}, {"1.0", "1.1", "1.2"}, {"2.0", "2.1"}, {"3.0"}}

// moves are the last steps.
func (p *player) moves() (s string) {
	for i := max(0, p.moved-len(p.log)); i < p.moved; i++ {
		mv := p.log[i%len(p.log)]
		s += fmt.Sprintf("  step %d: vCPU %s, %s\n", i, mv.who, mv.what.name)
	}
	return s
}

// end lets everyone who still can do what is left to do, and fails if somebody is forgotten: every mailbox
// that is read is released, whoever waits for one that is writable is told, every message that a vCPU is
// there for is taken.
func (p *player) end() {
	m := p.model
	home := m.vm[0].cpu[0]
	for _, c := range m.vm[0].cpu {
		if c.lent != nil {
			m.preempt(c.lent)
		}
	}
	for quiet := false; !quiet; {
		quiet = true
		for _, vm := range m.vm {
			for len(vm.waiters) > 0 && vm.mapped && vm.box == empty {
				quiet = false
				m.waiter(home, vm, m.id(vm.index))
			}
			c := m.runnable(vm)
			for c != nil && (vm.box != empty || len(vm.ready) > 0) {
				quiet = false
				if c.state != isRunning {
					m.run(home, vm, m.id(vm.index), uint64(c.ID.Index))
				}
				switch {
				case vm.box == unread:
					m.receive(c, false)
				case vm.box == read:
					m.release(c)
				default:
					m.writable(c)
				}
			}
			if c != nil && c.by != nil {
				m.preempt(c)
			}
		}
	}
	m.checkMemory()
	for _, vm := range m.vm {
		c, inCore := m.runnable(vm), &m.core.vms[vm.index].box
		if c != nil && (vm.mapped && len(vm.waiters)+inCore.waiters.n > 0 || len(vm.ready)+inCore.writable.n > 0 || inCore.state != boxEmpty) {
			m.t.Fatalf("VM %d is forgotten:\n%v", vm.index, m)
		}
	}
}

// runnable returns a vCPU of a VM that can be run, waking one if it must, or nil if all are off, dead, or wait for
// an interrupt that none of them let through.
func (m *model) runnable(vm *modelVM) *modelCPU {
	if vm.index == 0 {
		return vm.cpu[0]
	}
	for _, c := range vm.cpu {
		switch {
		case vm.dead, c.state == isOff:
		case c.state == isReady, c.state == isRunning, c.line(), c.state == awaitsMessage && vm.box == unread:
			return c
		case c.enabled != 0:
			m.inject(m.vm[0].cpu[0], vm, m.id(vm.index), uint64(c.ID.Index), uint64(bits.TrailingZeros64(c.enabled)))
			return c
		}
	}
	return nil
}

// Short sequences of random calls, which rapid makes shorter still if one fails.
func TestCoreAgreesWithTheModel(t *testing.T) {
	for _, hf := range []bool{false, true} {
		t.Run(interfaceName(hf), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				p := newPlayer(t, hf, randomtest.Drawn{T: t})
				t.Repeat(map[string]func(*rapid.T){
					"step": func(t *rapid.T) { p.pick, p.rig.t = randomtest.Drawn{T: t}, t; p.step() },
				})
				p.pick, p.rig.t = randomtest.Drawn{T: t}, t
				p.end()
			})
		})
	}
}

func interfaceName(hf bool) string {
	if hf {
		return "hf"
	}
	return "spci"
}

// Five million random calls in each interface, or ten times as many with HFVMM_SOAK=1, in episodes of a
// machine each. An episode that fails tells its seed, and HFVMM_SEED=that plays it alone.
func TestMillionsOfRandomCallsAgreeWithTheModel(t *testing.T) {
	for _, hf := range []bool{false, true} {
		t.Run(interfaceName(hf), func(t *testing.T) {
			t.Parallel()
			var reached [numCorners]int
			if seed, ok := randomtest.Replays(t); ok {
				reached = episode(t, hf, seed)
				t.Logf("corners reached: %v", reached)
				return
			}
			seed := rand.Uint64()
			for steps, want := 0, randomtest.Steps(5_000_000); steps < want; seed++ {
				for c, n := range episode(t, hf, seed) {
					reached[c] += n
				}
				steps += randomtest.EpisodeSteps(seed)
			}
			for c, n := range reached {
				if n == 0 && !(hf && spciOnly(corner(c))) {
					t.Errorf("corner %d was never reached", c)
				}
			}
			t.Logf("corners reached: %v", reached)
		})
	}
}

func spciOnly(c corner) bool {
	switch c {
	case aPageWasDonated, aPageWasLent, aPageWasShared, aPageCameBack, aDeadVMGaveAPageBack, aTransferFoundNoRoom, aPinnedPageStayed:
		return true
	}
	return false
}

// episodic is a *testing.T that says how to repeat what failed.
type episodic struct {
	*testing.T
	seed uint64
	p    *player
}

func (e *episodic) Fatalf(format string, args ...any) {
	e.Helper()
	e.T.Fatalf("HFVMM_SEED=%d, step %d: %s\n%s%v", e.seed, e.p.moved, fmt.Sprintf(format, args...), e.p.moves(), e.p.model)
}

func (e *episodic) Errorf(format string, args ...any) { e.Helper(); e.Fatalf(format, args...) }

// episode plays one machine from its beginning.
func episode(t *testing.T, hf bool, seed uint64) [numCorners]int {
	e := &episodic{T: t, seed: seed}
	s := &randomtest.Seeded{}
	s.Seed(seed, uint64(bit(hf)))
	e.p = newPlayer(e, hf, s)
	for range randomtest.EpisodeSteps(seed) {
		e.p.step()
	}
	e.p.end()
	return e.p.reached
}
