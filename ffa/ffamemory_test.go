package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/ffa/wire"
	"github.com/hfvmm/hfvmm/hypercall"
)

// callRig is a regionRig whose VMs speak FF-A; its secondaries' first vCPUs run on vCPUs of the primary.
func callRig(t tester) regionRig {
	r := newRegionRig(t, true)
	r.serve(r.core.FFA())
	return r
}

func lowHigh(h uint64) (uint64, uint64) { return h & 0xffff_ffff, h >> 32 }

// Share, retrieve, relinquish and reclaim, by calls alone.
func TestMemoryIsSharedAndReclaimedByCalls(t *testing.T) {
	for _, width := range []hypercall.FuncID{0, hypercall.SMC64} {
		r := callRig(t)
		page := Span{pageOf(0, 4), PageSize}
		g, peer := r.vms[0][0], r.vms[1][0]
		desc, memory := r.offer(share, 0, []int{1}, page)
		desc.Tag = 7
		n := r.write(0, desc, memory)
		g.call(ffaMemShare|width, n, n, 0, 0)
		g.want("share", uint64(ffaSuccess), 0, any64, any64, 0, 0, 0, 0)
		handle := g.x[2] | g.x[3]<<32
		lo, hi := lowHigh(handle)

		r.enter(g, peer)
		want := r.request(share, handle, 0, []int{1})
		want.Tag = 7
		size := uint64(want.Encode(r.vm(1).box.tx, wire.Version12))
		peer.call(ffaMemRetrieveReq|width, size, size, 0, 0)
		total := uint64(48 + 32 + 16 + 16)
		peer.want("retrieve", uint64(ffaMemRetrieveResp), total, total, 0, 0, 0, 0, 0)
		var got wire.Transaction
		if !got.Decode(r.vm(1).box.rx, wire.Version12) || got.Handle != handle || got.Sender != r.id(0) || got.Tag != 7 ||
			got.Count != 1 || got.Receivers[0].ID != r.id(1) || got.Receivers[0].Permissions != wire.DataRW|wire.InstrNX || got.Flags != kindInFlags[share] {
			t.Errorf("the answer is %+v", got)
		}
		c, ok := wire.DecodeComposite(r.vm(1).box.rx, got.Receivers[0].Composite)
		if !ok || c != (wire.Composite{Pages: 1, Ranges: 1}) {
			t.Errorf("its composite descriptor is %+v", c)
		}
		if s, ok := wire.DecodeConstituent(r.vm(1).box.rx[96:]); !ok || s != (wire.Constituent{Address: page.Base, Pages: 1}) {
			t.Errorf("its memory is %+v", s)
		}
		peer.call(ffaRXRelease, 0)
		peer.want("release", uint64(ffaSuccess))
		putRelinquish(r.vm(1).box.tx, wire.Relinquish{Handle: handle, Count: 1, Endpoint: r.id(1)})
		peer.call(ffaMemRelinquish)
		peer.want("relinquish", uint64(ffaSuccess), 0, 0)
		r.preempt(peer)

		g.call(ffaMemReclaim, lo, hi, 0)
		g.want("reclaim", uint64(ffaSuccess), 0, 0)
		g.call(ffaMemReclaim, lo, hi, 0)
		g.want("reclaim again", uint64(ffaError), 0, uint64(uint32(0xffff_fffe)))
	}
}

func TestMemoryCallsWithOtherBuffersAreInvalid(t *testing.T) {
	r := callRig(t)
	g := r.vms[0][0]
	desc, memory := r.offer(share, 0, []int{1}, Span{pageOf(0, 4), PageSize})
	n := r.write(0, desc, memory)
	invalidParameters := uint64(uint32(0xffff_fffe))
	for _, fn := range []hypercall.FuncID{ffaMemShare, ffaMemLend, ffaMemDonate, ffaMemRetrieveReq} {
		g.call(fn, n, n, pageOf(0, 5), 1)
		g.want("buffer", uint64(ffaError), 0, invalidParameters)
		g.call(fn, n, n, 0, 1)
		g.want("pages", uint64(ffaError), 0, invalidParameters)
	}
	g.call(ffaMemRetrieveReq, n, n-16, 0, 0)
	g.want("a request in fragments", uint64(ffaError), 0, invalidParameters)
	for _, fn := range []hypercall.FuncID{ffaMemFragRX, ffaMemFragTX} {
		g.call(fn, 0, 0, 16, 1<<16)
		g.want("an endpoint that only hypervisors give", uint64(ffaError), 0, invalidParameters)
	}
}

func TestMemoryIsSentInFragmentsByCalls(t *testing.T) {
	r := callRig(t)
	g := r.vms[0][0]
	desc, memory := r.offer(lend, 0, []int{1}, Span{pageOf(0, 6), PageSize}, Span{pageOf(0, 4), PageSize})
	n := r.write(0, desc, memory)
	g.call(ffaMemLend, n, n-16, 0, 0)
	g.want("first fragment", uint64(ffaMemFragRX), any64, any64, n-16, 0)
	lo, hi := g.x[1], g.x[2]
	copy(r.vm(0).box.tx, r.vm(0).box.tx[n-16:n])
	g.call(ffaMemFragTX, lo, hi, 16, 0)
	g.want("last fragment", uint64(ffaSuccess), 0, lo, hi, 0)
	r.wantAccess("lent", pageOf(0, 4), 0, 0)
	r.wantAccess("lent", pageOf(0, 6), 0, 0)
}

// Whatever a VM writes into its TX buffer and calls, the core answers, and the memory of the others is theirs.
func FuzzMemoryCalls(f *testing.F) {
	r := newRegionRig(f, false)
	desc, memory := r.offer(share, 1, []int{0, 2}, Span{pageOf(1, 4), PageSize})
	n := r.write(1, desc, memory)
	f.Add(uint8(2), uint16(n), uint16(n), uint64(0), r.vm(1).box.tx[:n])
	f.Add(uint8(3), uint16(112), uint16(112), uint64(0), r.vm(1).box.tx[:n])
	f.Add(uint8(6), uint16(0), uint16(0), uint64(1<<63), []byte{1})
	calls := []hypercall.FuncID{
		ffaMemDonate, ffaMemLend, ffaMemShare, ffaMemRetrieveReq, ffaMemRelinquish, ffaMemReclaim, ffaMemFragRX, ffaMemFragTX,
	}
	f.Fuzz(func(t *testing.T, call uint8, a, b uint16, handle uint64, tx []byte) {
		r := newRegionRig(t, false)
		r.serve(r.core.FFA())
		for i := range r.core.vms {
			r.core.vms[i].version = wire.Version10 + wire.Version(call>>4%3)
		}
		g := r.vms[1][0]
		r.enter(r.vms[0][0], g)
		last := r.sent(share, 0, []int{1}, Span{pageOf(0, 4), PageSize})
		copy(r.vm(1).box.tx, tx)
		if handle == 0 {
			handle = last
		}
		switch fn := calls[call%8]; fn {
		case ffaMemReclaim, ffaMemFragRX, ffaMemFragTX:
			lo, hi := lowHigh(handle)
			g.call(fn, lo, hi, uint64(a))
		default:
			g.call(fn, uint64(a), uint64(b), 0, 0)
		}
		if x0 := hypercall.FuncID(g.x[0]); x0 != ffaSuccess && x0 != ffaError && x0 != ffaMemFragRX && x0 != ffaMemFragTX && x0 != ffaMemRetrieveResp {
			t.Errorf("x0 = %#x", g.x[0])
		}
		for vm := range r.core.vms {
			if vm == 1 {
				continue
			}
			for n := range 8 {
				if a := r.stage2.access[vm][pageOf(vm, n)]; a != accessOf(vm, n) {
					t.Errorf("VM %d may %03b with its page %d", vm, a, n)
				}
				if a := r.stage2.access[1][pageOf(vm, n)]; a != 0 && (vm != 0 || n != 4) {
					t.Errorf("VM 1 may %03b with page %d of VM %d", a, n, vm)
				}
			}
		}
	})
}
