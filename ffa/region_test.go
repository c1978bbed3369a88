package ffa

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
)

// regionRig is a machine of four VMs with mailboxes, in which tests send memory.
type regionRig struct{ *rig }

func newRegionRig(t tester, strict bool) regionRig {
	r := regionRig{newRig(t, 1, 1, 1, 1)}
	r.mapped(0, 1, 2, 3)
	r.core.strict = strict
	handle := uint64(0x1234_5678_9abc_def0)
	r.core.newHandle = func() uint64 { handle = handle*6364136223846793005 + 1442695040888963407; return handle }
	for i := range r.core.vms {
		r.core.vms[i].version = wire.Version12
	}
	return r
}

func (r regionRig) vm(i int) *partition { return &r.core.vms[i] }
func (r regionRig) id(i int) uint16     { return r.vm(i).ffa.ID }

// pageOf is the n-th page of a VM; the first two are its mailbox.
func pageOf(vm, n int) uint64 { return ramOf(vm).Base + uint64(n)*PageSize }

// offer describes memory of VM from for others: normal memory to read and write, for each that is named.
func (r regionRig) offer(how transfer, from int, to []int, memory ...Span) (wire.Transaction, []Span) {
	t := wire.Transaction{Sender: r.id(from), Attributes: attributesNormal, Count: len(to)}
	if how == donate || how == lend && len(to) == 1 {
		t.Attributes = 0
	}
	for i, vm := range to {
		t.Receivers[i] = wire.Receiver{ID: r.id(vm), Permissions: wire.DataRW}
		if how == donate {
			t.Receivers[i].Permissions = 0
		}
	}
	return t, memory
}

// write puts a descriptor into the TX buffer of VM vm and returns its size.
func (r regionRig) write(vm int, t wire.Transaction, memory []Span) uint64 {
	v, tx := r.vm(vm).version, r.vm(vm).box.tx
	at := uint32(wire.HeaderSize(v) + t.Count*wire.ReceiverSize(v))
	for i := range t.Count {
		t.Receivers[i].Composite = at
	}
	t.Encode(tx, v)
	pages := uint32(0)
	end := wire.CompositeEnd(at)
	for _, s := range memory {
		wire.Constituent{Address: s.Base, Pages: uint32(s.Size / PageSize)}.Encode(tx[end:])
		pages += uint32(s.Size / PageSize)
		end += wire.ConstituentSize
	}
	wire.Composite{Pages: pages, Ranges: uint32(len(memory))}.Encode(tx[at:])
	return end
}

// send sends memory in one fragment.
func (r regionRig) send(how transfer, from int, t wire.Transaction, memory []Span) (uint64, status) {
	n := r.write(from, t, memory)
	g, st := r.core.sendRegion(r.vm(from), how, n, n)
	if st != success {
		return 0, st
	}
	return g.handle, st
}

// sent sends memory of one page and more, which must succeed.
func (r regionRig) sent(how transfer, from int, to []int, memory ...Span) uint64 {
	r.t.Helper()
	t, memory := r.offer(how, from, to, memory...)
	h, st := r.send(how, from, t, memory)
	if st != success {
		r.t.Fatalf("sending %v: status %d", memory, st)
	}
	return h
}

// request asks for a region of VM from as all its borrowers would.
func (r regionRig) request(how transfer, handle uint64, from int, to []int) wire.Transaction {
	t := wire.Transaction{Sender: r.id(from), Handle: handle, Count: len(to)}
	for i, vm := range to {
		t.Receivers[i] = wire.Receiver{ID: r.id(vm), Permissions: wire.DataRW}
		if how == donate || how == lend && len(to) == 1 {
			t.Receivers[i].Permissions |= wire.InstrNX
		}
	}
	return t
}

// ask retrieves, and releases the RX buffer.
func (r regionRig) ask(vm int, t wire.Transaction) status {
	p := r.vm(vm)
	n := t.Encode(p.box.tx, p.version)
	_, _, st := r.core.retrieveRegion(p, uint64(n))
	if st == success {
		p.box.state = boxEmpty
	}
	return st
}

// putRelinquish writes a descriptor with one endpoint, whose fields stand one behind the other.
func putRelinquish(tx []byte, d wire.Relinquish) { _, _ = binary.Encode(tx, binary.LittleEndian, d) }

func (r regionRig) give(vm int, handle uint64, flags uint32) status {
	p := r.vm(vm)
	putRelinquish(p.box.tx, wire.Relinquish{Handle: handle, Flags: flags, Count: 1, Endpoint: r.id(vm)})
	return r.core.relinquishRegion(p)
}

// wantAccess checks what each VM may do with a page, in stage 2 and by the core's books.
func (r regionRig) wantAccess(what string, page uint64, want ...Access) {
	r.t.Helper()
	c, ok := r.core.pages.claim(Span{page, PageSize})
	for vm, w := range want {
		got, mapped := r.stage2.access[vm][page], w
		if r.vm(vm).aborting {
			mapped = 0
		}
		if got != mapped || !ok || c.access(uint16(vm)) != w {
			r.t.Errorf("%s: VM %d may %03b in stage 2 and %03b by the books, want %03b", what, vm, got, c.access(uint16(vm)), w)
		}
	}
}

// wantStage2 checks what each VM may do with a page in stage 2 alone.
func (r regionRig) wantStage2(what string, page uint64, want ...Access) {
	r.t.Helper()
	for vm, w := range want {
		if got := r.stage2.access[vm][page]; got != w {
			r.t.Errorf("%s: VM %d may %03b in stage 2, want %03b", what, vm, got, w)
		}
	}
}

const all = FullAccess

func TestSharedMemoryIsOfBothUntilItIsRelinquishedAndReclaimed(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(0, 4)
	h := r.sent(share, 0, []int{1}, Span{page, PageSize})
	r.wantAccess("sent", page, all, 0, 0)
	if st := r.ask(1, r.request(share, h, 0, []int{1})); st != success {
		t.Fatalf("retrieve: %d", st)
	}
	r.wantAccess("retrieved", page, all, rw, 0)
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != denied {
		t.Errorf("reclaimed what a borrower has: %d", st)
	}
	if st := r.give(1, h, 0); st != success {
		t.Fatalf("relinquish: %d", st)
	}
	r.wantAccess("relinquished", page, all, 0, 0)
	if st := r.ask(1, r.request(share, h, 0, []int{1})); st != success {
		t.Fatalf("retrieving again: %d", st)
	}
	r.give(1, h, 0)
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != success {
		t.Fatalf("reclaim: %d", st)
	}
	if len(r.core.regions) != 0 || r.vm(0).regions != 0 || r.vm(0).ranges != 0 {
		t.Error("a reclaimed region is still counted")
	}
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != invalid {
		t.Errorf("a dead handle is accepted: %d", st)
	}
}

func TestLentMemoryIsTheBorrowersAlone(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(2, 3)
	h := r.sent(lend, 2, []int{1}, Span{page, PageSize})
	r.wantAccess("sent", page, 0, 0, 0)
	if st := r.ask(1, r.request(lend, h, 2, []int{1})); st != success {
		t.Fatalf("retrieve: %d", st)
	}
	r.wantAccess("retrieved", page, 0, rw, 0)
	r.give(1, h, 0)
	r.core.reclaimRegion(r.vm(2), h, 0)
	r.wantAccess("reclaimed", page, 0, 0, all)
}

func TestDonatedMemoryBelongsToTheReceiverForGood(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(0, 4)
	h := r.sent(donate, 0, []int{3}, Span{page, PageSize})
	want := r.request(donate, h, 0, []int{3})
	want.Receivers[0].Permissions = wire.InstrX
	if st := r.ask(3, want); st != success {
		t.Fatalf("retrieve: %d", st)
	}
	r.wantAccess("retrieved", page, 0, 0, 0, all)
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != invalid {
		t.Errorf("a donation was reclaimed: %d", st)
	}
	if h := r.sent(share, 3, []int{0}, Span{page, PageSize}); h == 0 {
		t.Error("the new owner cannot share it")
	}
}

func TestDonationThatNobodyRetrievedCanBeReclaimed(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(0, 4)
	h := r.sent(donate, 0, []int{3}, Span{page, PageSize})
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != success {
		t.Errorf("reclaim: %d", st)
	}
	r.wantAccess("reclaimed", page, all, 0, 0, 0)
}

// What a send is refused for, one fault each (the order of the checks is that of the statuses in Hafnium).
func TestFaultySendIsRefused(t *testing.T) {
	page := Span{pageOf(0, 4), PageSize}
	for _, tt := range []struct {
		name    string
		how     transfer
		to      []int
		memory  []Span
		change  func(r regionRig, t *wire.Transaction)
		want    status
		lenient status
	}{
		{"cleared share", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Flags = 1 }, invalid, invalid},
		{"time slice", lend, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Flags = 3 }, invalid, success},
		{"unknown flag", lend, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Flags = 4 }, invalid, invalid},
		{"handle", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Handle = 1 }, invalid, invalid},
		{"donation to two", donate, []int{1, 2}, nil, nil, invalid, invalid},
		{"unknown receiver", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].ID = 9 }, invalid, invalid},
		{"to itself", share, []int{0}, nil, nil, invalid, invalid},
		{"receiver twice", share, []int{1, 1}, nil, nil, invalid, invalid},
		{"sender is another", share, []int{2}, nil, func(r regionRig, t *wire.Transaction) { t.Sender = r.id(1) }, denied, denied},
		{"reserved data access", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions = 3 }, invalid, invalid},
		{"executable", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions |= wire.InstrX }, invalid, invalid},
		{"not executable", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions |= wire.InstrNX }, invalid, success},
		{"share without access", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions = 0 }, invalid, invalid},
		{"donation with access", donate, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions = wire.DataRW }, invalid, success},
		{"secure memory", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Attributes |= attributesNS }, invalid, invalid},
		{"lend to one with type", lend, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Attributes = attributesNormal }, invalid, success},
		{"device memory", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Attributes = 0x1f }, denied, denied},
		{"share without type", share, []int{1}, nil, func(_ regionRig, t *wire.Transaction) { t.Attributes = 0 }, denied, success},
		{"no memory", share, []int{1}, []Span{}, nil, invalid, invalid},
		{"empty range", share, []int{1}, []Span{page, {pageOf(0, 6), 0}}, nil, invalid, invalid},
		{"overlap", share, []int{1}, []Span{page, page}, nil, invalid, invalid},
		{"not aligned", share, []int{1}, []Span{{page.Base + 8, PageSize}}, nil, invalid, invalid},
		{"wraps around", share, []int{1}, []Span{{^uint64(PageSize - 1), 2 * PageSize}}, nil, invalid, invalid},
		{"of another", share, []int{1}, []Span{{pageOf(2, 4), PageSize}}, nil, denied, denied},
		{"beyond its end", share, []int{2}, []Span{{pageOf(0, 7), 2 * PageSize}}, nil, denied, denied},
		{"not RAM", share, []int{1}, []Span{{0x1000, PageSize}}, nil, denied, denied},
		{"its mailbox", share, []int{1}, []Span{{pageOf(0, 1), PageSize}}, nil, denied, denied},
	} {
		for _, strict := range []bool{true, false} {
			r := newRegionRig(t, strict)
			memory := tt.memory
			if memory == nil {
				memory = []Span{page}
			}
			desc, memory := r.offer(tt.how, 0, tt.to, memory...)
			if tt.change != nil {
				tt.change(r, &desc)
			}
			want := tt.want
			if !strict {
				want = tt.lenient
			}
			if _, got := r.send(tt.how, 0, desc, memory); got != want {
				t.Errorf("%s, strict %v: status %d, want %d", tt.name, strict, got, want)
			}
			if want != success && (len(r.core.regions) != 0 || r.vm(0).regions != 0 || r.vm(0).ranges != 0) {
				t.Errorf("%s: the refused region is still there", tt.name)
			}
		}
	}
}

func TestFaultyLengthsOfASendAreRefused(t *testing.T) {
	r := newRegionRig(t, true)
	desc, memory := r.offer(share, 0, []int{1}, Span{pageOf(0, 4), PageSize})
	n := r.write(0, desc, memory)
	for _, l := range [][2]uint64{{n - 16, n}, {n, PageSize + 16}, {PageSize + 16, PageSize + 16}, {n + 16, n}, {n - 16, n - 16}, {n - 8, n - 8}, {0, 0}, {n, 8}} {
		if _, st := r.core.sendRegion(r.vm(0), share, l[0], l[1]); st != invalid {
			t.Errorf("%d bytes of %d: status %d", l[1], l[0], st)
		}
	}
}

// What a request to retrieve is refused for.
func TestFaultyRetrieveIsRefused(t *testing.T) {
	two := []int{1, 2}
	for _, tt := range []struct {
		name          string
		how           transfer
		to            []int
		change        func(r regionRig, t *wire.Transaction)
		want, lenient status
	}{
		{"handle", share, two, func(_ regionRig, t *wire.Transaction) { t.Handle++ }, invalid, invalid},
		{"other sender", share, two, func(r regionRig, t *wire.Transaction) { t.Sender = r.id(2) }, denied, denied},
		{"other kind", share, two, func(_ regionRig, t *wire.Transaction) { t.Flags = kindInFlags[lend] }, invalid, invalid},
		{"its kind", share, two, func(_ regionRig, t *wire.Transaction) { t.Flags = kindInFlags[share] }, success, success},
		{"tag", share, two, func(_ regionRig, t *wire.Transaction) { t.Tag = 5 }, invalid, invalid},
		{"alignment hint", share, two, func(_ regionRig, t *wire.Transaction) { t.Flags = 1 << 9 }, invalid, invalid},
		{"unknown flag", share, two, func(_ regionRig, t *wire.Transaction) { t.Flags = 1 << 11 }, invalid, invalid},
		{"cleared share", share, two, func(_ regionRig, t *wire.Transaction) { t.Flags = regionClear }, invalid, invalid},
		{"share cleared after", share, two, func(_ regionRig, t *wire.Transaction) { t.Flags = regionClearAfter }, invalid, invalid},
		{"cleared, which the sender did not want", lend, two, func(_ regionRig, t *wire.Transaction) { t.Flags = regionClear }, denied, denied},
		{"secure memory", share, two, func(_ regionRig, t *wire.Transaction) { t.Attributes = attributesNormal | attributesNS }, invalid, invalid},
		{"device memory", share, two, func(_ regionRig, t *wire.Transaction) { t.Attributes = 0x1f }, denied, denied},
		{"alone", share, two, func(_ regionRig, t *wire.Transaction) { t.Count = 1 }, invalid, invalid},
		{"alone, by the bypass", share, two, func(_ regionRig, t *wire.Transaction) { t.Count, t.Flags = 1, regionBypass }, success, success},
		{"both, in spite of the bypass", share, two, func(_ regionRig, t *wire.Transaction) { t.Flags = regionBypass }, invalid, invalid},
		{"bypass of one borrower", share, []int{1}, func(_ regionRig, t *wire.Transaction) { t.Flags = regionBypass }, invalid, invalid},
		{"other borrower", share, two, func(r regionRig, t *wire.Transaction) { t.Receivers[1].ID = r.id(3) }, denied, denied},
		{"without itself", share, two, func(r regionRig, t *wire.Transaction) { t.Receivers[0].ID = r.id(2) }, invalid, invalid},
		{"reserved access", share, two, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions = 3 }, invalid, invalid},
		{"executable share", share, two, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions |= wire.InstrX }, invalid, invalid},
		{"share, not executable", share, two, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions |= wire.InstrNX }, invalid, success},
		{"lend without instruction access", lend, []int{1}, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Permissions = wire.DataRW }, invalid, success},
		{"implementation defined part", share, two, func(_ regionRig, t *wire.Transaction) { t.Receivers[0].Impdef[1] = 1 }, invalid, invalid},
		{"composite", share, two, func(_ regionRig, t *wire.Transaction) { t.Receivers[1].Composite = 64 }, invalid, invalid},
		{"read only, cleared after", lend, []int{1}, func(_ regionRig, t *wire.Transaction) {
			t.Flags, t.Receivers[0].Permissions = regionClearAfter, wire.DataRO|wire.InstrNX
		}, denied, denied},
	} {
		for _, strict := range []bool{true, false} {
			r := newRegionRig(t, strict)
			page := pageOf(0, 4)
			h := r.sent(tt.how, 0, tt.to, Span{page, PageSize})
			desc := r.request(tt.how, h, 0, tt.to)
			tt.change(r, &desc)
			want := tt.want
			if !strict {
				want = tt.lenient
			}
			if got := r.ask(1, desc); got != want {
				t.Errorf("%s, strict %v: status %d, want %d", tt.name, strict, got, want)
			}
			if want != success && r.stage2.access[1][page] != 0 {
				t.Errorf("%s: refused, but VM 1 has access", tt.name)
			}
		}
	}
}

func TestRetrieveOfWhatOneHasIsDenied(t *testing.T) {
	r := newRegionRig(t, true)
	h := r.sent(share, 0, []int{1}, Span{pageOf(0, 4), PageSize})
	r.ask(1, r.request(share, h, 0, []int{1}))
	if st := r.ask(1, r.request(share, h, 0, []int{1})); st != denied {
		t.Errorf("status %d", st)
	}
	if st := r.ask(2, r.request(share, h, 0, []int{1})); st != invalid {
		t.Errorf("one who is no borrower: status %d", st)
	}
}

func TestRetrieveNeedsAnEmptyRXBuffer(t *testing.T) {
	r := newRegionRig(t, true)
	h := r.sent(share, 0, []int{1}, Span{pageOf(0, 4), PageSize})
	r.vm(1).box.state = boxRead
	if st := r.ask(1, r.request(share, h, 0, []int{1})); st != busy {
		t.Errorf("status %d", st)
	}
	if n := r.stage2.access[1][pageOf(0, 4)]; n != 0 {
		t.Error("it has access all the same")
	}
}

func TestReadOnlyBorrowerGetsNoMore(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(0, 4)
	desc, memory := r.offer(share, 0, []int{1}, Span{page, PageSize})
	desc.Receivers[0].Permissions = wire.DataRO
	h, _ := r.send(share, 0, desc, memory)
	if st := r.ask(1, r.request(share, h, 0, []int{1})); st != denied {
		t.Errorf("asking to write: status %d", st)
	}
	want := r.request(share, h, 0, []int{1})
	want.Receivers[0].Permissions = 0
	if st := r.ask(1, want); st != success {
		t.Fatalf("retrieve: %d", st)
	}
	r.wantAccess("retrieved", page, all, Read)
	var got wire.Transaction
	if !got.Decode(r.vm(1).box.rx, wire.Version12) || got.Receivers[0].Permissions != wire.DataRO|wire.InstrNX {
		t.Errorf("the answer says %+v", got.Receivers[0])
	}
}

// A VM that was given memory to read only cannot let others write it.
func TestSenderCannotGiveMoreThanItHas(t *testing.T) {
	r := newRegionRig(t, true)
	page := Span{pageOf(0, 4), PageSize}
	h := r.sent(donate, 0, []int{1}, page)
	want := r.request(donate, h, 0, []int{1})
	want.Receivers[0].Permissions = wire.DataRO | wire.InstrNX
	if st := r.ask(1, want); st != success {
		t.Fatalf("retrieve: %d", st)
	}
	desc, memory := r.offer(share, 1, []int{2}, page)
	if _, st := r.send(share, 1, desc, memory); st != denied {
		t.Errorf("share: status %d", st)
	}
	desc, memory = r.offer(lend, 1, []int{2}, page)
	desc.Flags, desc.Receivers[0].Permissions = regionClear, wire.DataRO
	if _, st := r.send(lend, 1, desc, memory); st != denied {
		t.Errorf("cleared: status %d", st)
	}
}

func TestMemoryIsClearedWhereTheFlagsSaySo(t *testing.T) {
	page := pageOf(0, 4)
	full := func(r regionRig) bool { return bytes.Count(r.page(page), []byte{0xAA}) == PageSize }
	empty := func(r regionRig) bool { return bytes.Count(r.page(page), []byte{0}) == PageSize }
	lent := func(flags, request uint32) (regionRig, uint64) {
		r := newRegionRig(t, true)
		for i := range r.page(page) {
			r.page(page)[i] = 0xAA
		}
		desc, memory := r.offer(lend, 0, []int{1}, Span{page, PageSize})
		desc.Flags = flags
		h, st := r.send(lend, 0, desc, memory)
		if st != success {
			t.Fatalf("lend: %d", st)
		}
		want := r.request(lend, h, 0, []int{1})
		want.Flags = request
		if st := r.ask(1, want); st != success {
			t.Fatalf("retrieve: %d", st)
		}
		return r, h
	}
	if r, _ := lent(0, 0); !full(r) {
		t.Error("cleared without a flag")
	}
	if r, _ := lent(regionClear, 0); !empty(r) {
		t.Error("not cleared for the borrower")
	}
	r, h := lent(0, regionClearAfter)
	r.give(1, h, 0)
	if !empty(r) {
		t.Error("not cleared after the borrower's use, which asked for it in advance")
	}
	r, h = lent(0, 0)
	r.give(1, h, regionClear)
	if !empty(r) {
		t.Error("not cleared when relinquished")
	}
	r, h = lent(0, 0)
	r.give(1, h, 0)
	if r.core.reclaimRegion(r.vm(0), h, regionClear); !empty(r) {
		t.Error("not cleared when reclaimed")
	}
}

// clearing looks at the machine whenever memory is about to be cleared.
type clearing struct {
	Memory
	look func(ipa uint64)
}

func (c clearing) Slice(ipa, size uint64) []byte {
	c.look(ipa)
	return c.Memory.Slice(ipa, size)
}

// Who wants much memory cleared keeps nobody else from running.
func TestMemoryIsClearedWhileTheMachineRunsAndNobodyHasIt(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(0, 4)
	times := 0
	r.core.memory = clearing{r, func(ipa uint64) {
		times++
		if r.stage2.parked != 0 {
			t.Error("every vCPU is stopped")
		}
		r.wantStage2("while it is cleared", ipa, 0, 0, 0, 0)
	}}
	for _, end := range []struct {
		relinquish, reclaim uint32
		want                int // of the times that it is cleared, two of them for the borrower
	}{{0, 0, 2}, {regionClear, 0, 3}, {0, regionClear, 3}, {regionClear, regionClear, 4}} {
		times = 0
		desc, memory := r.offer(lend, 0, []int{1}, Span{page, PageSize})
		desc.Flags = regionClear
		h, st := r.send(lend, 0, desc, memory)
		if st != success {
			t.Fatalf("lend: %d", st)
		}
		want := r.request(lend, h, 0, []int{1})
		want.Flags = regionClear
		if st := r.ask(1, want); st != success {
			t.Fatalf("retrieve: %d", st)
		}
		if st := r.give(1, h, end.relinquish); st != success {
			t.Fatalf("relinquish: %d", st)
		}
		if st := r.core.reclaimRegion(r.vm(0), h, end.reclaim); st != success || times != end.want {
			t.Errorf("reclaim: %d; cleared %d times, want %d", st, times, end.want)
		}
	}
}

func TestMemoryThatStage2CannotHoldIsNotCleared(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(0, 4)
	desc, memory := r.offer(lend, 0, []int{1}, Span{page, PageSize})
	desc.Flags = regionClear
	h, st := r.send(lend, 0, desc, memory)
	if st != success {
		t.Fatalf("lend: %d", st)
	}
	r.page(page)[3] = 3
	want := r.request(lend, h, 0, []int{1})
	want.Flags = regionClear
	r.stage2.full = true
	if st := r.ask(1, want); st != noMemory || r.page(page)[3] != 3 {
		t.Errorf("retrieve: %d; the memory has %d", st, r.page(page)[3])
	}
	r.stage2.full = true
	if st := r.core.reclaimRegion(r.vm(0), h, regionClear); st != noMemory || r.page(page)[3] != 3 {
		t.Errorf("reclaim: %d; the memory has %d", st, r.page(page)[3])
	}
	r.wantAccess("after the failures", page, 0, 0, 0, 0)
}

func TestFaultyRelinquishIsRefused(t *testing.T) {
	r := newRegionRig(t, true)
	h := r.sent(share, 0, []int{1, 2}, Span{pageOf(0, 4), PageSize})
	if st := r.give(1, h, 0); st != invalid {
		t.Errorf("before it is retrieved: %d", st)
	}
	r.ask(1, r.request(share, h, 0, []int{1, 2}))
	tx := r.vm(1).box.tx
	for name, d := range map[string]wire.Relinquish{
		"handle": {Handle: h + 1, Count: 1, Endpoint: r.id(1)}, "two endpoints": {Handle: h, Count: 2, Endpoint: r.id(1)},
		"other endpoint": {Handle: h, Count: 1, Endpoint: r.id(2)}, "cleared share": {Handle: h, Flags: 1, Count: 1, Endpoint: r.id(1)},
		"unknown flag": {Handle: h, Flags: 4, Count: 1, Endpoint: r.id(1)},
	} {
		putRelinquish(tx, d)
		if st := r.core.relinquishRegion(r.vm(1)); st != invalid {
			t.Errorf("%s: status %d", name, st)
		}
	}
	if st := r.give(3, h, 0); st != invalid {
		t.Errorf("one who is no borrower: %d", st)
	}
}

func TestDescriptorInFragmentsIsPutTogetherAndRetrievedInFragments(t *testing.T) {
	for _, v := range []wire.Version{wire.Version10, wire.Version11, wire.Version12} {
		r := newRegionRig(t, true)
		for i := range r.core.vms {
			r.core.vms[i].version = v
		}
		// Every page of the VM but its mailbox, last first: no two that would be joined in this order.
		var memory []Span
		for n := 7; n >= 2; n-- {
			memory = append(memory, Span{pageOf(2, n), PageSize})
		}
		desc, memory := r.offer(lend, 2, []int{1}, memory...)
		total := r.write(2, desc, memory)
		whole := bytes.Clone(r.vm(2).box.tx[:total])
		first := total - 4*wire.ConstituentSize
		g, st := r.core.sendRegion(r.vm(2), lend, total, first)
		if st != success || g.complete() || g.received != first {
			t.Fatalf("version %v: first fragment: status %d, %+v", v, st, g)
		}
		r.wantAccess("incomplete", pageOf(2, 7), 0, 0, all)
		if st := r.ask(1, r.request(lend, g.handle, 2, []int{1})); st != invalid {
			t.Errorf("retrieved what is not complete: %d", st)
		}
		if st := r.core.reclaimRegion(r.vm(2), g.handle, 0); st != invalid {
			t.Errorf("reclaimed what is not complete: %d", st)
		}
		for at := first; at < total; at += 2 * wire.ConstituentSize {
			for name, n := range map[string]uint64{"empty": 0, "odd": 8, "too long": total - at + 16} {
				if _, st := r.core.continueRegion(r.vm(2), g.handle, n); st != invalid {
					t.Errorf("%s fragment: status %d", name, st)
				}
			}
			if _, st := r.core.continueRegion(r.vm(1), g.handle, 16); st != invalid {
				t.Error("another VM continued it")
			}
			copy(r.vm(2).box.tx, whole[at:])
			if _, st := r.core.continueRegion(r.vm(2), g.handle, 2*wire.ConstituentSize); st != success {
				t.Fatalf("version %v: fragment at %d: status %d", v, at, st)
			}
		}
		if !g.complete() {
			t.Fatal("not complete")
		}

		p := r.vm(1)
		rx := p.box.rx
		start := wire.HeaderSize(v) + wire.ReceiverSize(v) + 16
		p.box.rx = rx[: start+2*wire.ConstituentSize : start+2*wire.ConstituentSize] // as if it were small
		n := r.request(lend, g.handle, 2, []int{1})
		size := n.Encode(p.box.tx, v)
		all, part, st := r.core.retrieveRegion(p, uint64(size))
		if st != success || all != uint64(start+6*wire.ConstituentSize) || part != uint64(start+2*wire.ConstituentSize) {
			t.Fatalf("version %v: retrieve: status %d, %d of %d", v, st, part, all)
		}
		got := bytes.Clone(p.box.rx[:part])
		if st := r.give(1, g.handle, 0); st != invalid {
			t.Errorf("relinquished what is not wholly retrieved: %d", st)
		}
		if _, st := r.core.retrieveMore(p, g.handle, part); st != busy {
			t.Errorf("the RX buffer is full: status %d", st)
		}
		for part < all {
			p.box.state = boxEmpty
			if _, st := r.core.retrieveMore(p, g.handle, part+16); st != invalid {
				t.Errorf("wrong offset: status %d", st)
			}
			n, st := r.core.retrieveMore(p, g.handle, part)
			if st != success {
				t.Fatalf("fragment at %d: status %d", part, st)
			}
			got, part = append(got, p.box.rx[:n]...), part+n
		}
		if !bytes.Equal(got[start:], whole[len(whole)-6*wire.ConstituentSize:]) {
			t.Errorf("version %v: the ranges are not those that were sent", v)
		}
		if _, st := r.core.retrieveMore(p, g.handle, all); st != invalid {
			t.Errorf("beyond the end: status %d", st)
		}
		p.box.state = boxEmpty
		if st := r.give(1, g.handle, 0); st != success {
			t.Errorf("relinquish: %d", st)
		}
	}
}

func TestVMHasLimitedRegionsAndRanges(t *testing.T) {
	r := newRegionRig(t, true)
	desc, memory := r.offer(share, 0, []int{1}, Span{pageOf(0, 4), PageSize})
	total := r.write(0, desc, memory) + 16
	tx := r.vm(0).box.tx
	wire.Composite{Pages: 2, Ranges: 2}.Encode(tx[wire.HeaderSize(wire.Version12)+wire.ReceiverSize(wire.Version12):])
	for i := range MaxRegions {
		if _, st := r.core.sendRegion(r.vm(0), share, total, total-16); st != success {
			t.Fatalf("region %d: status %d", i, st)
		}
	}
	if _, st := r.core.sendRegion(r.vm(0), share, total, total-16); st != noMemory {
		t.Errorf("one more: status %d", st)
	}
	if h := r.sent(share, 1, []int{2}, Span{pageOf(1, 4), PageSize}); h == 0 {
		t.Error("another VM has none left")
	}
	r = newRegionRig(t, true)
	desc, memory = r.offer(share, 0, []int{1}, Span{pageOf(0, 4), PageSize})
	n := r.write(0, desc, memory)
	wire.Composite{Pages: 1, Ranges: MaxRanges + 1}.Encode(r.vm(0).box.tx[wire.HeaderSize(wire.Version12)+wire.ReceiverSize(wire.Version12):])
	if _, st := r.core.sendRegion(r.vm(0), share, n+MaxRanges*wire.ConstituentSize, n); st != noMemory {
		t.Errorf("too many ranges: status %d", st)
	}
}

func TestHandleIsGivenOutByTheHypervisorAndNotCounted(t *testing.T) {
	r := newRegionRig(t, true)
	a, b := r.sent(share, 0, []int{1}, Span{pageOf(0, 4), PageSize}), r.sent(share, 0, []int{1}, Span{pageOf(0, 5), PageSize})
	if a>>63 != 1 || b>>63 != 1 || a+1 == b || a == b {
		t.Errorf("handles %#x and %#x", a, b)
	}
}

func TestFullStage2RefusesTheTransferAndChangesNothing(t *testing.T) {
	r := newRegionRig(t, true)
	page := Span{pageOf(0, 4), PageSize}
	r.stage2.full = true
	desc, memory := r.offer(lend, 0, []int{1}, page)
	if _, st := r.send(lend, 0, desc, memory); st != noMemory {
		t.Errorf("lend: status %d", st)
	}
	r.wantAccess("refused", page.Base, all, 0)
	h := r.sent(lend, 0, []int{1}, page)
	r.stage2.full = true
	if st := r.ask(1, r.request(lend, h, 0, []int{1})); st != noMemory {
		t.Errorf("retrieve: status %d", st)
	}
	r.wantAccess("not retrieved", page.Base, 0, 0)
	r.ask(1, r.request(lend, h, 0, []int{1}))
	r.stage2.full = true
	if st := r.give(1, h, 0); st != noMemory {
		t.Errorf("relinquish: status %d", st)
	}
	r.wantAccess("not relinquished", page.Base, 0, rw)
	r.give(1, h, 0)
	r.stage2.full = true
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != noMemory {
		t.Errorf("reclaim: status %d", st)
	}
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != success {
		t.Errorf("reclaim once there is room: status %d", st)
	}
	r.wantAccess("reclaimed", page.Base, all, 0)
}

func TestDeadBorrowerGivesBackWhatItHadClearedIfItAskedForThat(t *testing.T) {
	r := newRegionRig(t, true)
	page := pageOf(0, 4)
	h := r.sent(lend, 0, []int{1}, Span{page, PageSize})
	want := r.request(lend, h, 0, []int{1})
	want.Flags = regionClearAfter
	if st := r.ask(1, want); st != success {
		t.Fatalf("retrieve: %d", st)
	}
	r.page(page)[7] = 1
	r.enter(r.vms[0][0], r.vms[1][0])
	r.core.Abort(&r.vms[1][0].VCPU)
	r.wantAccess("dead", page, 0, 0)
	if r.page(page)[7] != 0 {
		t.Error("not cleared")
	}
	if st := r.core.reclaimRegion(r.vm(0), h, 0); st != success {
		t.Errorf("reclaim: %d", st)
	}
	r.wantAccess("reclaimed", page, all, 0)
}

func TestHandlesOfADeadSenderDieOnceNobodyHasTheMemory(t *testing.T) {
	r := newRegionRig(t, true)
	kept := r.sent(lend, 1, []int{2, 3}, Span{pageOf(1, 4), PageSize})
	r.sent(lend, 1, []int{2}, Span{pageOf(1, 5), PageSize})
	want := r.request(lend, kept, 1, []int{2, 3})
	if st := r.ask(2, want); st != success {
		t.Fatalf("retrieve: %d", st)
	}
	r.enter(r.vms[0][0], r.vms[1][0])
	r.core.Abort(&r.vms[1][0].VCPU)
	if len(r.core.regions) != 1 {
		t.Errorf("%d regions left, want the one that is held", len(r.core.regions))
	}
	r.wantAccess("held", pageOf(1, 4), 0, 0, rw, 0)
	r.wantAccess("not held", pageOf(1, 5), 0, all, 0, 0)
	if st := r.ask(3, want); st != denied {
		t.Errorf("retrieving from the dead: %d", st)
	}
	if st := r.give(2, kept, 0); st != success {
		t.Errorf("relinquish: %d", st)
	}
	if len(r.core.regions) != 0 {
		t.Error("the handle lives on")
	}
	r.wantAccess("relinquished", pageOf(1, 4), 0, all, 0, 0)
}
