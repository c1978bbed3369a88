package vmm

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hfvmm/hfvmm/hypercall"
)

// fakeGIC takes what is delivered.
type fakeGIC struct {
	t            *testing.T
	parked       bool
	parks, wakes int
	pending      [2][2]uint32
}

func (g *fakeGIC) park() {
	if g.parked {
		g.t.Error("parked twice")
	}
	g.parked = true
	g.parks++
}

func (g *fakeGIC) resume() { g.parked = false }

func (g *fakeGIC) pend(id hypercall.VCPUID, intids uint32) {
	if !g.parked || intids == 0 {
		g.t.Errorf("parked %v, INTIDs %#x", g.parked, intids)
	}
	g.pending[id.VM][id.Index] |= intids
}

func (g *fakeGIC) wake(id hypercall.VCPUID) {
	if g.parked || g.pending[id.VM][id.Index] == 0 {
		g.t.Errorf("parked %v, %v has nothing to take", g.parked, id)
	}
	g.wakes++
}

func newSGIs() *sgis { return &sgis{vcpus: []sgiPEs{make(sgiPEs, 2), make(sgiPEs, 2)}} }

func TestSGIsThatComeTogetherCostOnePark(t *testing.T) {
	s, g := newSGIs(), &fakeGIC{t: t}
	s.deliver(g)
	if g.parks != 0 {
		t.Error("parked for nothing")
	}
	for range 3 {
		for intid := uint32(8); intid < 16; intid++ {
			s.raise(hypercall.VCPUID{VM: 0, Index: 1}, intid)
		}
		s.raise(hypercall.VCPUID{VM: 1, Index: 0}, 8)
	}
	s.deliver(g)
	s.deliver(g)
	if want := [2][2]uint32{{0, 0xff00}, {0x100, 0}}; g.parks != 1 || g.wakes != 2 || g.pending != want {
		t.Errorf("%d parks, %d wakes, pending %#x, want 1, 2, %#x", g.parks, g.wakes, g.pending, want)
	}
}

// Whoever raises an SGI and delivers finds it delivered, be it by another.
func TestSGIThatIsRaisedWhileOthersAreDeliveredIsNotLost(t *testing.T) {
	const rounds = 10_000
	s, g := newSGIs(), &fakeGIC{t: t}
	var all sync.WaitGroup
	for i := range 4 {
		id := hypercall.VCPUID{VM: uint16(i / 2), Index: uint16(i % 2)}
		all.Go(func() {
			for n := range uint32(rounds) {
				intid := n % 16
				s.raise(id, intid)
				s.deliver(g)
				s.mu.Lock()
				pending := &g.pending[id.VM][id.Index]
				if *pending != 1<<intid {
					t.Errorf("%v: pending %#x, want INTID %d alone", id, *pending, intid)
				}
				*pending = 0 // taken
				s.mu.Unlock()
			}
		})
	}
	all.Wait()
	if g.parks > 4*rounds || g.wakes != 4*rounds {
		t.Errorf("%d parks, %d wakes, want at most as many and exactly %d", g.parks, g.wakes, 4*rounds)
	}
}

// The guest answers each SGI with a letter, so that none can be lost, come twice or go to another CPU unnoticed.
func TestEachSGIThatTheHostRaisesIsTakenOnce(t *testing.T) {
	var r record
	cfg := machine(t, &r, 2, "sgi", "busy*2")
	cfg.Slice = time.Hour // a lent CPU is taken back for the SGI, not at the end of a slice
	m, ctx := built(t, cfg)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ending, err := m.run(ctx)
		if ending != Cancelled {
			err = errors.Join(err, errors.New(ending.String()))
		}
		ended <- err
	}()
	text := r.console.String
	// await waits until so many letters are there.
	await := func(n int) bool {
		for end := time.Now().Add(time.Minute); len(text()) < n; time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				t.Errorf("%d letters after a minute, want %d: %q", len(text()), n, text())
				return false
			}
		}
		return true
	}
	want := map[rune]int{'.': 2}
	sum := 2
	ok := await(sum)
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for n := 0; ok && n < rounds; n++ {
		for cpu, first := range []rune{'a', 'A'} {
			for i := range 8 {
				if rand.IntN(2) == 0 {
					continue
				}
				m.RaiseSGI(hypercall.VCPUID{Index: uint16(cpu)}, uint32(8+i))
				want[first+rune(i)]++
				sum++
			}
		}
		m.sgis.deliver(m)
		ok = await(sum)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v\n%v", err, &r)
	}
	got := map[rune]int{}
	for _, c := range strings.TrimSpace(text()) {
		got[c]++
	}
	for c, n := range want {
		if got[c] != n {
			t.Errorf("%d times %q, want %d", got[c], c, n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("letters %v", got)
	}
}
