package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hfvmm/hfvmm/kvmarm"
	"github.com/hfvmm/hfvmm/sdei"
	"github.com/hfvmm/hfvmm/vmm/api"
)

// controlled is a machine that notes what it is asked for.
type controlled struct {
	asked []string
	err   error
}

func (c *controlled) Status() api.Status {
	return api.Status{State: api.Paused, VMs: []api.VMStatus{
		{Name: "primary", VCPUs: 2, Base: 0x40000000, Memory: 62 << 20, SDEI: true, PVSched: true},
		{Name: "tee", VCPUs: 1, Base: 0x43e00000, Memory: 1 << 20},
	}, CPUs: []api.CPUStatus{{VM: "tee", VCPU: 0, On: true, Runs: 12}, {VM: "primary", VCPU: 1}}}
}

func (c *controlled) ask(format string, args ...any) error {
	c.asked = append(c.asked, fmt.Sprintf(format, args...))
	return c.err
}
func (c *controlled) Pause(context.Context) error { return c.ask("pause") }
func (c *controlled) Resume()                     { c.ask("resume") }
func (c *controlled) PowerOff()                   { c.ask("power-off") }
func (c *controlled) RaiseEvent(vm string, vcpu int, number uint32) error {
	return c.ask("event %s %d %#x", vm, vcpu, number)
}
func (c *controlled) SaveSDEI(string) (s sdei.State, err error) { return s, nil }
func (c *controlled) RestoreSDEI(vm string, s sdei.State) error { return nil }

func serveControlled(t *testing.T, m api.Machine) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Serve(l, m).Close)
	return path
}

func TestACommandAsksTheMachineBehindTheSocket(t *testing.T) {
	var m controlled
	path := serveControlled(t, &m)
	for _, c := range []struct {
		args []string
		asks string
	}{
		{[]string{"pause"}, "pause"},
		{[]string{"resume"}, "resume"},
		{[]string{"power-off"}, "power-off"},
		{[]string{"event", "primary", "0x40000001"}, "event primary 0 0x40000001"},
		{[]string{"event", "primary.1", "1"}, "event primary 1 0x1"},
		{[]string{"event", "a.b.7", "1"}, "event a.b 7 0x1"},
		{[]string{"event", "a.b", "1"}, "event a.b 0 0x1"},
		{[]string{"event", "2.0", "1"}, "event 2 0 0x1"},
	} {
		m.asked, m.err = nil, nil
		r := runApp(t, &fakeHost{}, append(c.args, "--api-socket", path)...)
		if r.code != 0 || r.stdout+r.stderr != "" || !slices.Equal(m.asked, []string{c.asks}) {
			t.Errorf("%q: exit code %d, asked %q, says %q", c.args, r.code, m.asked, r.stdout+r.stderr)
		}
	}
	t.Setenv(socketVariable, path)
	if r := runApp(t, &fakeHost{}, "pause"); r.code != 0 || r.stderr != "" {
		t.Errorf("with %s: exit code %d, %s", socketVariable, r.code, r.stderr)
	}
	m.err = errors.New("there is a reason")
	if r := runApp(t, &fakeHost{}, "pause"); r.code != exitInternal || r.stderr != "hfvmm: there is a reason\n" {
		t.Errorf("exit code %d, %q", r.code, r.stderr)
	}
}

func TestStatusIsATable(t *testing.T) {
	r := runApp(t, &fakeHost{}, "status", "--api-socket", serveControlled(t, &controlled{}))
	want := `paused

vm  name     vcpus  memory  at          services
0   primary  2      62M     0x40000000  sdei,pvsched
1   tee      1      1M      0x43e00000  -

cpu  power  vcpu       runs
0    on     tee.0      12
1    off    primary.1  0
`
	if r.code != 0 || r.stdout != want {
		t.Errorf("exit code %d, %s, stdout:\n%s", r.code, r.stderr, r.stdout)
	}
}

func TestACommandWithoutAMachineSaysWhatToDo(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"status"}, exitUsage, []string{"--api-socket PATH", socketVariable}},
		{[]string{"status", "--api-socket", nowhere}, exitInternal, []string{nowhere, "hfvmm run --api-socket"}},
		{[]string{"status", "now"}, exitUsage, []string{`"now"`}},
		{[]string{"event", "primary"}, exitUsage, []string{"hfvmm event primary.1 0x40000001"}},
		{[]string{"event", "primary", "five"}, exitUsage, []string{`"five"`, "0x40000001"}},
		{[]string{"event", ".3", "1"}, exitUsage, []string{`".3"`, "status"}},
	} {
		args := c.args
		if c.args[0] == "event" {
			args = append(args, "--api-socket", nowhere)
		}
		r := runApp(t, &fakeHost{}, args...)
		if r.code != c.code || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%q: exit code %d, %q", c.args, r.code, r.stderr)
		}
		for _, s := range c.says {
			if !strings.Contains(r.stderr, s) {
				t.Errorf("%q: %q lacks %q", c.args, r.stderr, s)
			}
		}
	}
}

func TestRunListensAtTheSocketUntilItsEnd(t *testing.T) {
	files(t, "Image")
	for _, noKVM := range []error{nil, kvmarm.ErrUnsupported} {
		h := fakeHost{noKVM: noKVM, until: func(context.Context) {
			if st, err := os.Lstat("ctl"); err != nil || st.Mode() != os.ModeSocket|0o600 {
				t.Errorf("while the machine runs: %v, %v", st, err)
			}
		}}
		if r := runApp(t, &h, "run", "--primary=Image", "--api-socket=ctl"); r.code != 0 {
			t.Fatalf("exit code %d: %s", r.code, r.stderr)
		}
		if noKVM == nil && h.ran[0].API == nil {
			t.Error("the machine is not controlled from there")
		}
		if noKVM != nil && (h.jobs[0].Listener == nil || !slices.Contains(h.jobs[0].Args, "--api-socket="+h.jobs[0].Socket)) {
			t.Errorf("the lab is not joined to the socket: %q", h.jobs[0].Args)
		}
		if _, err := os.Lstat("ctl"); !os.IsNotExist(err) {
			t.Errorf("at the end: %v", err)
		}
	}
	r := runApp(t, &fakeHost{}, "run", "--primary=Image", "--api-socket=Image")
	if r.code != exitUsage || !strings.HasPrefix(r.stderr, "hfvmm: --api-socket: cannot listen at \"Image\": ") {
		t.Errorf("exit code %d, %q", r.code, r.stderr)
	}
}
