package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hfvmm/hfvmm/sdei"
)

// fake is a machine of one VM, "vm", that notes what it is asked for.
type fake struct {
	asked []string
	err   error
	state sdei.State
}

func (f *fake) ask(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Status() Status {
	f.ask("status")
	return Status{State: Running, VMs: []VMStatus{{Name: "vm", VCPUs: 2, Base: 1 << 40, Memory: 4096, SDEI: true}},
		CPUs: []CPUStatus{{VM: "vm", VCPU: 1, On: true, Runs: 7}}}
}
func (f *fake) Pause(context.Context) error { return f.ask("pause") }
func (f *fake) Resume()                     { f.ask("resume") }
func (f *fake) PowerOff()                   { f.ask("power-off") }
func (f *fake) RaiseEvent(vm string, vcpu int, number uint32) error {
	return f.ask("event %s %d %#x", vm, vcpu, number)
}
func (f *fake) SaveSDEI(vm string) (sdei.State, error) { return f.state, f.ask("save %s", vm) }
func (f *fake) RestoreSDEI(vm string, s sdei.State) error {
	f.state = s
	return f.ask("restore %s", vm)
}

func serve(t *testing.T, m Machine) (*Client, *Server, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, m)
	t.Cleanup(s.Close)
	return NewClient(path), s, path
}

// send sends a request as it stands and returns the code and the error of the answer.
func send(t *testing.T, c *Client, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, "http://hfvmm/api/v1/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var e errorBody
	_ = json.NewDecoder(response.Body).Decode(&e)
	return response.StatusCode, e.Error
}

// everything is a state with something in every field.
func everything() sdei.State {
	context := sdei.ContextState{Event: 0x40000001, PC: 0xFFFF_8000_0000_0004, PSTATE: 0x3c5}
	for i := range context.X {
		context.X[i] = ^uint64(i)
	}
	critical := context
	critical.Event = 0x40000002
	handler := sdei.HandlerState{Event: 0x40000001, Registered: true, Enabled: true, Running: true, Pending: true, Relative: true, Entry: 1 << 63, Arg: 1<<53 + 1}
	return sdei.State{
		PEs:    []sdei.PEState{{Masked: true, Private: []sdei.HandlerState{handler}, Normal: &context, Critical: &critical}, {}},
		Shared: []sdei.SharedState{{HandlerState: handler, ToPE: true, Target: 1}},
		Bound:  []sdei.BoundState{{Event: 0x40000200, INTID: 33}},
	}
}

func TestClientAsksWhatItsCallSays(t *testing.T) {
	var f fake
	c, _, _ := serve(t, &f)
	ctx := t.Context()
	for _, call := range []struct {
		asks string
		do   func() error
	}{
		{"pause", func() error { return c.Pause(ctx) }},
		{"resume", func() error { return c.Resume(ctx) }},
		{"event a/b c 3 0x40000001", func() error { return c.RaiseEvent(ctx, EventRequest{VM: "a/b c", VCPU: 3, Event: 0x40000001}) }},
		{"power-off", func() error { return c.PowerOff(ctx) }},
		{"save a/b c", func() error { _, err := c.SDEI(ctx, "a/b c"); return err }},
		{"restore vm", func() error { return c.SetSDEI(ctx, "vm", SDEIState{}) }},
	} {
		f.asked, f.err = nil, nil
		if err := call.do(); err != nil || len(f.asked) != 1 || f.asked[0] != call.asks {
			t.Errorf("%s: asked %q, error %v", call.asks, f.asked, err)
		}
		if f.err = errors.New("one sentence"); call.asks == "resume" || call.asks == "power-off" {
			continue
		}
		if err := call.do(); err == nil || err.Error() != "one sentence" {
			t.Errorf("%s: error %v", call.asks, err)
		}
	}
}

func TestStatusComesBackAsItWas(t *testing.T) {
	var f fake
	c, _, _ := serve(t, &f)
	got, err := c.Status(t.Context())
	if d := cmp.Diff(f.Status(), got); err != nil || d != "" {
		t.Errorf("error %v\n%s", err, d)
	}
}

func TestStateCrossesTheSocketWithoutALoss(t *testing.T) {
	from, to := &fake{state: everything()}, &fake{}
	source, _, _ := serve(t, from)
	target, _, _ := serve(t, to)
	s, err := source.SDEI(t.Context(), "vm")
	if err != nil {
		t.Fatal(err)
	}
	if err := target.SetSDEI(t.Context(), "vm", s); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(everything(), to.state); d != "" {
		t.Error(d)
	}
}

func TestRegistersReadAndWriteOneVCPUOfTheState(t *testing.T) {
	f := &fake{state: sdei.State{PEs: make([]sdei.PEState, 2)}}
	c, _, _ := serve(t, f)
	ctx := t.Context()
	write := Registers{
		Hex(sdei.RegHandler0): {0x4000_0000, 0xffff_ffff_ffff_ffff}, Hex(sdei.RegRegistered): {1}, Hex(sdei.RegEnabled): {1}, Hex(sdei.RegPEState): {1},
	}
	if err := c.SetRegisters(ctx, "vm", 1, write); err != nil {
		t.Fatal(err)
	}
	want := sdei.State{PEs: []sdei.PEState{{}, {Masked: true, Private: []sdei.HandlerState{
		{Registered: true, Enabled: true, Entry: 0x4000_0000, Arg: ^uint64(0)},
	}}}}
	if d := cmp.Diff(want, f.state); d != "" {
		t.Error(d)
	}
	got, err := c.Registers(ctx, "vm", 1)
	if err != nil || len(got) != len(sdei.Registers) {
		t.Fatalf("%d registers, %v", len(got), err)
	}
	for id, words := range write {
		if d := cmp.Diff(words, got[id]); d != "" {
			t.Errorf("register %#x: %s", uint64(id), d)
		}
	}
}

func TestRequestThatMakesNoSenseIsRefusedWithTheReason(t *testing.T) {
	f := &fake{state: sdei.State{PEs: make([]sdei.PEState, 2)}}
	c, _, _ := serve(t, f)
	for _, r := range []struct {
		method, path, body string
		code               int
		reason             string
	}{
		{"PUT", "event", "", 400, "EOF"},
		{"PUT", "event", `{"vm":"vm","event":"x"}`, 400, `"x" is not a number`},
		{"PUT", "event", `{"vm":"vm","event":"0x100000000"}`, 400, "0x100000000 is no event number"},
		{"PUT", "event", `{"vm":"vm","typo":1}`, 400, "typo"},
		{"PUT", "event", `{"vm":"vm"}{}`, 400, "more than one"},
		{"PUT", "event", `{"vm":"` + strings.Repeat("x", maxBody) + `"}`, 400, "too large"},
		{"PUT", "vms/vm/sdei", `{"pes":[{"normal":{"x":["0"]}}]}`, 400, "1 registers, not 18"},
		{"PUT", "vms/vm/sdei", `{"bound":[{"event":"0x1ffffffff"}]}`, 400, "more than 32 bits"},
		{"GET", "vms/vm/vcpus/2/sdei-registers", "", 404, `no vCPU "2"`},
		{"GET", "vms/vm/vcpus/-1/sdei-registers", "", 404, `no vCPU "-1"`},
		{"PUT", "vms/vm/vcpus/0/sdei-registers", `{"0x5":["0"]}`, 404, "no register 0x5"},
		{"PUT", "vms/vm/vcpus/0/sdei-registers", `{"0x603000000014000d":[]}`, 400, "1 words"},
		{"PUT", "vms/vm/vcpus/0/sdei-registers", `{"0x603000000014000d":["2"]}`, 400, "neither 0 nor 1"},
		{"GET", "nothing", "", 404, ""},
		{"POST", "pause", "", 405, ""},
	} {
		if code, reason := send(t, c, r.method, r.path, r.body); code != r.code || !strings.Contains(reason, r.reason) {
			t.Errorf("%s %s: %d %q, want %d with %q", r.method, r.path, code, reason, r.code, r.reason)
		}
	}
	for _, kind := range []struct {
		err  error
		code int
	}{{NotFound(errors.New("a")), 404}, {Conflict(errors.New("a")), 409}, {errors.New("a"), 400}} {
		f.err = kind.err
		if code, reason := send(t, c, "PUT", "pause", ""); code != kind.code || reason != "a" {
			t.Errorf("%d %q, want %d", code, reason, kind.code)
		}
	}
	if n := len(f.state.PEs); n != 2 {
		t.Errorf("the state has become one of %d vCPUs", n)
	}
}

func TestServerThatClosesAnswersFirstAndLeavesTheMachineAlone(t *testing.T) {
	var f fake
	c, s, path := serve(t, &f)
	if err := c.PowerOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := c.Pause(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no socket") || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	if len(f.asked) != 1 {
		t.Errorf("asked %q", f.asked)
	}
}

// blocked is a machine whose vCPUs do not stop.
type blocked struct {
	fake
	pausing chan struct{}
}

func (b *blocked) Pause(ctx context.Context) error {
	close(b.pausing)
	<-ctx.Done()
	return ctx.Err()
}

func TestVCPUThatDoesNotStopHoldsUpNobodyElse(t *testing.T) {
	b := &blocked{pausing: make(chan struct{})}
	c, _, _ := serve(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Pause(ctx) }()
	<-b.pausing
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error")
	}
}
