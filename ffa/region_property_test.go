package ffa

import (
	"slices"
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"pgregory.net/rapid"
)

// The naive model of FF-A memory: what every VM may do with every page, and who owns it, written down page by page.
type regionModel struct {
	handle  uint64
	how     transfer
	sender  int
	pages   []int
	data    map[int]uint8 // borrowers and the data access that they were offered
	has     map[int]bool
	clear   map[int]bool // when the borrower ends
	pending bool         // some borrower that ended wanted it cleared while another had it
	zeroed  bool
	dead    bool // its sender
	own     Access
}

type modelPage struct {
	owner  int
	own    Access
	region *regionModel
	access [4]Access
}

// No page ever has two owners, nobody reads what was donated or lent, what is to be cleared is, and all handles die:
// random transactions of four VMs, some of which die, do what the model of single pages says.
func TestMemoryTransactionsDoWhatTheModelOfSinglePagesSays(t *testing.T) {
	const perVM = vmSize / PageSize
	rapid.Check(t, func(t *rapid.T) {
		r := newRegionRig(t, true)
		pages := make([]modelPage, 4*perVM)
		for i := range pages {
			own := accessOf(i/perVM, i%perVM)
			pages[i] = modelPage{owner: i / perVM, own: own}
			pages[i].access[i/perVM] = own
		}
		var regions []*regionModel
		var gone []uint64
		alive := [4]bool{true, true, true, true}
		addr := func(i int) uint64 { return ramBase + uint64(i)*PageSize }
		fill := func(i int) { r.page(addr(i))[0] = byte(i + 1) }
		for i := range pages {
			if i%perVM >= 2 { // no mailbox
				fill(i)
			}
		}
		wantCleared := func(t *rapid.T, what string, g *regionModel, cleared bool) {
			for _, i := range g.pages {
				if got := r.page(addr(i))[0]; (got == 0) != cleared {
					t.Fatalf("%s: page %d has %#x, want cleared %v", what, i, got, cleared)
				}
				fill(i)
			}
		}
		anyVM := func(t *rapid.T, what string) int {
			var vms []int
			for vm, ok := range alive {
				if ok {
					vms = append(vms, vm)
				}
			}
			return rapid.SampledFrom(vms).Draw(t, what)
		}
		anyRegion := func(t *rapid.T) *regionModel {
			if len(regions) == 0 {
				t.Skip("no regions")
			}
			return rapid.SampledFrom(regions).Draw(t, "region")
		}
		drop := func(g *regionModel) {
			regions = slices.DeleteFunc(regions, func(o *regionModel) bool { return o == g })
			gone = append(gone, g.handle)
		}
		back := func(g *regionModel) {
			for _, i := range g.pages {
				pages[i].region = nil
				pages[i].access[g.sender] = g.own
			}
			drop(g)
		}
		seldom := func(t *rapid.T, what string) bool { return rapid.IntRange(0, 7).Draw(t, what) == 0 }
		party := func(t *rapid.T, g *regionModel) int { // mostly one whom it concerns
			if seldom(t, "anybody") {
				return anyVM(t, "by")
			}
			vms := []int{g.sender}
			for vm := range g.data {
				vms = append(vms, vm)
			}
			slices.Sort(vms)
			vms = slices.DeleteFunc(vms, func(vm int) bool { return !alive[vm] })
			if len(vms) == 0 {
				t.Skip("all dead")
			}
			return rapid.SampledFrom(vms).Draw(t, "by")
		}
		end := func(t *rapid.T, g *regionModel, vm int, zero bool) {
			g.has[vm] = false
			zero = zero || g.clear[vm] || g.pending
			for _, i := range g.pages {
				pages[i].access[vm] = 0
			}
			last := true
			for _, has := range g.has {
				last = last && !has
			}
			g.pending = zero && !last
			wantCleared(t, "given up", g, zero && last)
			if last && g.dead {
				back(g)
			}
		}

		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				from := anyVM(t, "from")
				how := rapid.SampledFrom([]transfer{share, lend, lend, donate}).Draw(t, "how")
				to := rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 1, 3, rapid.ID).Draw(t, "to")
				if !seldom(t, "to itself") {
					to = slices.DeleteFunc(to, func(vm int) bool { return vm == from })
				}
				if len(to) == 0 {
					t.Skip("to nobody")
				}
				if how == donate && !seldom(t, "donate to many") {
					to = to[:1]
				}
				zero := how != share && rapid.Bool().Draw(t, "zero")
				var memory []Span
				var touched []int
				for range rapid.IntRange(1, 3).Draw(t, "ranges") {
					first, n := rapid.IntRange(0, len(pages)-1).Draw(t, "page"), rapid.IntRange(1, 3).Draw(t, "pages")
					if !seldom(t, "any page") {
						var own []int
						for i, p := range pages {
							if p.owner == from && p.region == nil && !(i/perVM == from && i%perVM < 2) && !slices.Contains(touched, i) {
								own = append(own, i)
							}
						}
						if len(own) == 0 {
							t.Skip("nothing to send")
						}
						first, n = rapid.SampledFrom(own).Draw(t, "own page"), 1
					}
					memory = append(memory, Span{addr(first), uint64(n) * PageSize})
					for i := first; i < first+n; i++ {
						touched = append(touched, i)
					}
				}
				desc, memory := r.offer(how, from, to, memory...)
				data := map[int]uint8{}
				for i, vm := range to {
					if how != donate && seldom(t, "read only") {
						desc.Receivers[i].Permissions = wire.DataRO
					}
					data[vm] = desc.Receivers[i].Permissions
				}
				if zero {
					desc.Flags = regionClear
				}
				ok := !(how == donate && len(to) > 1) && !(zero && how == share) && !slices.Contains(to, from)
				sorted := slices.Clone(touched)
				slices.Sort(sorted)
				ok = ok && len(slices.Compact(sorted)) == len(touched)
				for _, i := range touched {
					ok = ok && i < len(pages) && pages[i].owner == from && pages[i].region == nil &&
						!(i/perVM == from && i%perVM < 2) && pages[i].own == pages[touched[0]].own
				}
				if ok && pages[touched[0]].own&Write == 0 {
					ok = !zero
					for _, d := range data {
						ok = ok && d != wire.DataRW
					}
				}
				h, st := r.send(how, from, desc, memory)
				if (st == success) != ok {
					t.Fatalf("send: status %d, want success %v", st, ok)
				}
				if !ok {
					return
				}
				g := &regionModel{handle: h, how: how, sender: from, pages: touched, data: data, has: map[int]bool{}, clear: map[int]bool{}, zeroed: zero, own: pages[touched[0]].own}
				regions = append(regions, g)
				for _, i := range touched {
					pages[i].region = g
					if how != share {
						pages[i].access[from] = 0
					}
				}
				wantCleared(t, "sent", g, zero)
			},
			"retrieve": func(t *rapid.T) {
				g := anyRegion(t)
				vm := party(t, g)
				var to []int
				for b := range g.data {
					to = append(to, b)
				}
				slices.Sort(to)
				want := r.request(g.how, g.handle, g.sender, to)
				write := !seldom(t, "read only")
				clear := g.zeroed && rapid.Bool().Draw(t, "clear")
				after := g.how != share && rapid.Bool().Draw(t, "clear after")
				for i, b := range to {
					data := g.data[b]
					if b == vm {
						data = wire.DataRO
						if write {
							data = wire.DataRW
						}
					}
					want.Receivers[i].Permissions = want.Receivers[i].Permissions&wire.InstrMask | data
				}
				if clear {
					want.Flags |= regionClear
				}
				if after {
					want.Flags |= regionClearAfter
				}
				offered, is := g.data[vm]
				ok := is && !g.has[vm] && !g.dead && !(write && offered == wire.DataRO) && !(write && g.own&Write == 0) &&
					!(g.how == share && (clear || after)) && !(clear && !g.zeroed) && !(!write && (clear || after))
				if st := r.ask(vm, want); (st == success) != ok {
					t.Fatalf("retrieve: status %d, want success %v", st, ok)
				}
				if !ok {
					return
				}
				access := Read
				if write {
					access |= Write
				}
				g.has[vm], g.clear[vm] = true, after
				for _, i := range g.pages {
					pages[i].access[vm] = access
				}
				wantCleared(t, "retrieved", g, clear)
				if g.how == donate {
					for _, i := range g.pages {
						pages[i].owner, pages[i].own, pages[i].region = vm, access, nil
					}
					drop(g)
				}
			},
			"relinquish": func(t *rapid.T) {
				g := anyRegion(t)
				vm := party(t, g)
				zero := rapid.Bool().Draw(t, "zero")
				flags := uint32(0)
				if zero {
					flags = regionClear
				}
				ok := g.has[vm] && !(zero && (g.how == share || pages[g.pages[0]].access[vm]&Write == 0))
				if st := r.give(vm, g.handle, flags); (st == success) != ok {
					t.Fatalf("relinquish: status %d, want success %v", st, ok)
				}
				if ok {
					end(t, g, vm, zero)
				}
			},
			"reclaim": func(t *rapid.T) {
				g := anyRegion(t)
				vm := party(t, g)
				zero := rapid.Bool().Draw(t, "zero")
				flags := uint32(0)
				if zero {
					flags = regionClear
				}
				ok := g.sender == vm && !(zero && g.own&Write == 0)
				for _, has := range g.has {
					ok = ok && !has
				}
				if st := r.core.reclaimRegion(r.vm(vm), g.handle, flags); (st == success) != ok {
					t.Fatalf("reclaim: status %d, want success %v", st, ok)
				}
				if ok {
					wantCleared(t, "reclaimed", g, zero)
					back(g)
				}
			},
			"die": func(t *rapid.T) {
				vm := rapid.IntRange(1, 3).Draw(t, "VM")
				if !alive[vm] || rapid.IntRange(0, 9).Draw(t, "luck") > 0 {
					t.Skip("lives")
				}
				alive[vm] = false
				r.enter(r.vms[0][0], r.vms[vm][0])
				r.core.Abort(&r.vms[vm][0].VCPU)
				for _, g := range slices.Clone(regions) {
					if g.has[vm] {
						end(t, g, vm, false)
					}
					if g.sender == vm {
						g.dead = true
						held := false
						for _, has := range g.has {
							held = held || has
						}
						if !held {
							back(g)
						}
					}
				}
			},
			"": func(t *rapid.T) {
				for i := range pages {
					page := Span{addr(i), PageSize}
					c, ok := r.core.pages.claim(page)
					for vm, want := range pages[i].access {
						got, mapped := r.stage2.access[vm][page.Base], want
						if !alive[vm] {
							mapped = 0
						}
						if got != mapped || !ok || c.access(uint16(vm)) != want {
							t.Fatalf("page %d: VM %d may %03b, by the books %03b, want %03b", i, vm, got, c.access(uint16(vm)), want)
						}
					}
					if int(c.owner) != pages[i].owner {
						t.Fatalf("page %d is VM %d's, want %d", i, c.owner, pages[i].owner)
					}
				}
				if len(r.core.regions) != len(regions) {
					t.Fatalf("%d regions, want %d", len(r.core.regions), len(regions))
				}
				for _, h := range gone {
					if r.core.regions[h] != nil {
						t.Fatalf("handle %#x lives on", h)
					}
				}
			},
		})
	})
}
