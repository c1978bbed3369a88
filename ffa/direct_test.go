package ffa

import (
	"testing"

	"github.com/hfvmm/hfvmm/hypercall"
)

const req64 = ffaDirectReq | hypercall.SMC64

func TestDirectRequestComesBackAsItsResponse(t *testing.T) {
	for _, c := range []struct {
		name      string
		req, resp hypercall.FuncID
		from, to  int // payload registers
		mask      uint64
	}{
		{"32", ffaDirectReq, ffaDirectResp, 3, 7, 1<<32 - 1},
		{"64", req64, ffaDirectResp | hypercall.SMC64, 3, 7, 1<<64 - 1},
		{"2", ffaDirectReq2 | hypercall.SMC64, ffaDirectResp2 | hypercall.SMC64, 4, 17, 1<<64 - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newFFARig(t, nil, 1, 1)
			p, a := r.guest(0), r.guest(1)
			r.waiting(1)
			args := make([]uint64, c.to)
			args[0] = pair(0, 1)
			for n := c.from; n <= c.to; n++ {
				args[n-1] = 0x1111_2222_3333_0000 * uint64(n)
			}
			a.load(0)
			p.enters(a, c.req, args...)
			a.want("request", fid(c.req), pair(0, 1), 0)
			for n := c.from; n < 18; n++ {
				want := 0xDEAD_0000_0000_0000 | uint64(n) // not touched
				if n <= c.to {
					want = args[n-1] & c.mask
				}
				if a.x[n] != want {
					t.Errorf("x%d of the request is %#x, want %#x", n, a.x[n], want)
				}
			}
			args[0] = pair(1, 0)
			for n := c.from; n <= c.to; n++ {
				args[n-1] = ^args[n-1]
			}
			p.load(0)
			a.leaves(c.resp, args...)
			p.want("response", fid(c.resp), pair(1, 0), 0)
			for n := c.from; n <= c.to; n++ {
				if want := args[n-1] & c.mask; p.x[n] != want {
					t.Errorf("x%d of the response is %#x, want %#x", n, p.x[n], want)
				}
			}
			p.enters(a, ffaDirectReq, pair(0, 1)) // and it serves the next one
		})
	}
}

func TestRequestGoesToAProtocolThatTakesRequestsOfItsKind(t *testing.T) {
	r := newFFARig(t, services, 1, 1, 1) // VM 1 has protocols 1 and 2, of which 2 takes requests of version 1.2
	p, a := r.guest(0), r.guest(1)
	r.waiting(1)
	fn := ffaDirectReq2 | hypercall.SMC64
	p.denies("to one that takes others", denied, fn, pair(0, 1), 1)
	p.denies("to one that it has not", invalid, fn, pair(0, 1), 3)
	p.enters(a, fn, pair(0, 1), 2)
	a.leaves(ffaDirectResp2|hypercall.SMC64, pair(1, 0))
	p.enters(a, fn, pair(0, 1)) // to any
}

func TestPreemptedDirectRequestGoesOnWithRun(t *testing.T) {
	r := newFFARig(t, nil, 2, 1)
	p, a := r.guest(0), r.guest(1)
	r.waiting(1)
	p.enters(a, ffaDirectReq, pair(0, 1), 0, 7)
	r.preempt(a)
	p.want("preempted", fid(ffaInterrupt), a.w1())
	p.denies("another request meanwhile", busy, ffaDirectReq, pair(0, 1))
	other := r.vms[0][1]
	r.run(other, a) // its thread moved to another CPU
	a.leaves(ffaDirectResp, pair(1, 0), 0, 9)
	other.want("response", fid(ffaDirectResp), pair(1, 0), 0, 9)
}

func TestRequestToAVCPUThatHasNotWaitedYetIsServedWhenItDoes(t *testing.T) {
	r := newFFARig(t, nil, 1, 1)
	p, a := r.guest(0), r.guest(1)
	p.enters(a, ffaDirectReq, pair(0, 1), 0, 7)
	a.denies("response before the request", denied, ffaDirectResp, pair(1, 0))
	r.preempt(a)
	p.want("preempted", fid(ffaInterrupt), a.w1())
	r.run(p, a)
	a.returns("first wait", ffaMsgWait, nil, fid(ffaDirectReq), pair(0, 1), 0, 7)
	a.leaves(ffaDirectResp, pair(1, 0), 0, 8)
	p.want("response", fid(ffaDirectResp), pair(1, 0), 0, 8)
}

func TestRunOfAWaitingVCPUReturnsRunFromItsWait(t *testing.T) {
	r := newFFARig(t, nil, 1, 1)
	r.waiting(1)
	r.run(r.guest(0), r.guest(1))
	r.guest(1).want("run", fid(ffaRun), r.guest(1).w1(), 0, 0)
}

func TestChainOfRequestsRunsByItsHead(t *testing.T) {
	r := newFFARig(t, nil, 1, 1, 1, 1)
	p, a, b, c := r.guest(0), r.guest(1), r.guest(2), r.guest(3)
	r.waiting(1, 2, 3)
	p.enters(a, ffaDirectReq, pair(0, 1))
	a.enters(b, ffaDirectReq, pair(1, 2))
	b.denies("request back", denied, ffaDirectReq, pair(2, 1))
	b.enters(c, req64, pair(2, 3), 0, 5)
	c.denies("cycle", denied, ffaDirectReq, pair(3, 1))
	c.denies("wait while it serves", denied, ffaMsgWait)
	c.denies("response of another width", denied, ffaDirectResp, pair(3, 2))
	c.denies("response to another VM", invalid, ffaDirectResp|hypercall.SMC64, pair(3, 1))
	r.preempt(c)
	p.want("the primary asked the head", fid(ffaInterrupt), a.w1())
	p.denies("run of the tail", denied, ffaRun, c.w1())
	p.denies("run of the middle", denied, ffaRun, b.w1())
	p.enters(c, ffaRun, a.w1())
	c.enters(b, ffaDirectResp|hypercall.SMC64, pair(3, 2), 0, 6)
	b.want("response", fid(ffaDirectResp|hypercall.SMC64), pair(3, 2), 0, 6)
	b.enters(a, ffaDirectResp, pair(2, 1))
	a.leaves(ffaDirectResp, pair(1, 0))
	p.want("response", fid(ffaDirectResp), pair(1, 0))
}

func TestVCPUThatYieldsInAChainIsRunByWhoeverWaitsForIt(t *testing.T) {
	r := newFFARig(t, nil, 1, 1, 1)
	p, a, b := r.guest(0), r.guest(1), r.guest(2)
	r.waiting(1, 2)
	p.enters(a, ffaDirectReq, pair(0, 1))
	a.enters(b, ffaDirectReq, pair(1, 2))
	b.enters(a, ffaYield, 0, 100, 0)
	a.want("yielded", fid(ffaYield), b.w1(), 100, 0)
	b.want("yields", fid(ffaSuccess))
	a.denies("response while b serves it", denied, ffaDirectResp, pair(1, 0))
	a.denies("another request", denied, ffaDirectReq, pair(1, 2))
	a.denies("run of another", invalid, ffaRun, pair(0, 0))
	r.preempt(a)
	p.denies("run of b", denied, ffaRun, b.w1())
	r.run(p, a)
	a.enters(b, ffaRun, b.w1())
	r.preempt(b)
	p.want("preempted", fid(ffaInterrupt), a.w1())
	p.enters(b, ffaRun, a.w1())
	b.enters(a, ffaDirectResp, pair(2, 1))
	a.leaves(ffaDirectResp, pair(1, 0))
}

func TestVCPUThatWaitsForAnInterruptInARequestYields(t *testing.T) {
	r := newFFARig(t, nil, 1, 1)
	p, a := r.guest(0), r.guest(1)
	r.waiting(1)
	p.enters(a, ffaDirectReq, pair(0, 1))
	a.arm(5 << 32)
	if out := r.core.WaitForInterrupt(&a.VCPU); out != leaves {
		t.Fatalf("WFI: %+v", out)
	}
	r.settle()
	p.want("yields", fid(ffaYield), a.w1(), 0, 5)
	p.returns("run too soon", ffaRun, []uint64{a.w1()}, fid(ffaYield), a.w1(), 0, 5)
	r.advance(5 << 32)
	r.run(p, a)
	a.leaves(ffaDirectResp, pair(1, 0))
	r.run(p, a)
	if out := r.core.WaitForInterrupt(&a.VCPU); out != (hypercall.Outcome{}) { // the timer's interrupt
		if out != leaves {
			t.Fatalf("WFI: %+v", out)
		}
	}
	r.settle()
	p.want("outside of a request", fid(hafRunWFI), a.w1())
}

func TestCalleeThatDiesAbortsTheRequest(t *testing.T) {
	r := newFFARig(t, nil, 2, 1, 2, 1)
	p, q, a, b, c := r.guest(0), r.vms[0][1], r.guest(1), r.guest(2), r.guest(3)
	r.waiting(1, 2, 3)
	aborted := []uint64{fid(ffaError), 0, 1<<32 - 8}

	p.enters(a, ffaDirectReq, pair(0, 1))
	a.enters(b, ffaDirectReq, pair(1, 2))
	b.enters(c, ffaDirectReq, pair(2, 3))
	r.preempt(c)
	// Its other vCPU kills b while the chain stands still.
	b1 := r.vms[2][1]
	r.core.vms[2].vcpus[1].state = ready // as after CPU_ON
	r.run(q, b1)
	if out := r.core.Abort(&b1.VCPU); out != ends {
		t.Fatalf("abort: %+v", out)
	}
	r.settle()
	q.want("killed", aborted...)
	p.enters(a, ffaRun, a.w1())
	a.want("the request died", aborted...)
	q.denies("request to the dead", isAborted, ffaDirectReq, pair(0, 2))
	q.returns("run of the dead", ffaRun, []uint64{b.w1()}, aborted...)
	// c serves somebody who is no more.
	r.run(q, c)
	c.leaves(ffaDirectResp, pair(3, 2))
	q.want("response to nobody", fid(ffaMsgWait), c.w1())
	q.enters(c, ffaDirectReq, pair(0, 3))
	if out := r.core.Abort(&c.VCPU); out != ends {
		t.Fatalf("abort: %+v", out)
	}
	r.settle()
	q.want("died in a request", aborted...)
	a.leaves(ffaDirectResp, pair(1, 0))
	p.want("a goes on", fid(ffaDirectResp))
}
