package vmm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hfvmm/hfvmm/duty"
	"github.com/hfvmm/hfvmm/vmm/scheduler"
)

// withoutPrimary returns the configuration of a machine that hfvmm schedules itself, held to every rule. Its
// input is this text.
func withoutPrimary(t *testing.T, r *record, input string, secondaries ...string) Config {
	t.Helper()
	cfg := machine(t, r, 1, "", secondaries...)
	cfg.Primary.Kernel = ""
	if strings.HasPrefix(secondaries[0], "hf") {
		cfg.ABI = HF
	}
	cfg.ConsoleIn = strings.NewReader(input)
	cfg.Check = CheckWarn
	cfg.Duties = func(counts []duty.Tally) {
		for _, n := range counts {
			if n.Broken != 0 {
				t.Errorf("%s was broken %d times", n.ID, n.Broken)
			}
		}
	}
	return cfg
}

func TestBuiltinSchedulerRunsSecondariesByTheRules(t *testing.T) {
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintln(&many, "line", i)
	}
	numbers := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 2), 50) // VM, count
	for _, c := range []struct {
		rule        string
		secondaries []string
		input       string
		want        string // of the output, a regular expression
	}{
		{"lines come back from an echo", []string{"echo"}, many.String(), regexp.QuoteMeta(many.String())},
		{"in the interface of January 2019 too", []string{"hf/echo"}, many.String(), regexp.QuoteMeta(many.String())},
		{"the longest line and one without an end are messages", []string{"echo"},
			strings.Repeat("x", scheduler.MaxMessage) + "\n\nlast", strings.Repeat("x", scheduler.MaxMessage) + "\n\nlast\n"},
		{"two secondaries pass a message on", []string{"relay", "relay"}, "3 1 round\n3 1 and round\n", "round\nand round\n"},
		{"full mailboxes are reported when they become writable", []string{"flood", "sink"}, "3 100\n", `(?s)^(received 100 bad 0\n|sent 100 busy \d+\n){2}$`},
		{"and in the interface of January 2019", []string{"hf_flood", "hf/echo"}, string(numbers), `(?s)^\x32\x00\x00\x00....\n$`},
		{"timers are waited for", []string{"timer"}, "20000 5\n", `^(tick \d after \d+ us\n){5}$`},
		{"a second vCPU is switched on and signalled", []string{"two*2"}, "a\nb\n", "vcpu 1: a\nvcpu 1: b\n"},
		{"without input they run until they are at rest", []string{"echo", "waiter"}, "", "^$"},
	} {
		for _, policy := range scheduler.Policies {
			for _, cpus := range []int{1, 2} {
				if policy == scheduler.FIFO && cpus > 1 {
					continue
				}
				t.Run(fmt.Sprintf("%s %v %d", strings.Join(c.secondaries, " "), policy, cpus), func(t *testing.T) {
					var r record
					cfg := withoutPrimary(t, &r, c.input, c.secondaries...)
					cfg.Scheduler, cfg.CPUs = policy, cpus
					ending, err := run(t, cfg)
					if ending != PoweredOff || err != nil || !regexp.MustCompile(c.want).MatchString(r.console.String()) {
						t.Errorf("rule: %s\nending %v, error %v\n%v", c.rule, ending, err, &r)
					}
				})
			}
		}
	}
}

func TestBuiltinSchedulerSaysWhichSecondaryFailed(t *testing.T) {
	for _, c := range []struct {
		rule        string
		secondaries []string
		input       string
		ending      Ending
		says, out   string
	}{
		{"the end comes when the first aborts", []string{"fault", "busy"}, "w\nlost\n", Failed, `secondary "fault0" aborted`, ""},
		{"the others go on when another aborts", []string{"relay", "fault"}, "3 w\n1 alive\n", Failed, `secondary "fault1" aborted`, "alive\n"},
		{"an abort is noticed where the interface has no word for it", []string{"hf/echo", "echo"}, "hello\n", Failed, `secondary "echo1" aborted`, "hello\n"},
		{"a line that nobody takes is named", []string{"deaf"}, "one\n", Failed, `secondary "deaf0" takes no more messages: line 1 of the input was not delivered`, ""},
		{"a line longer than a message is refused", []string{"echo"}, "short\n" + strings.Repeat("x", scheduler.MaxMessage+1), BadInput, "line 2 of the input has more than the 4096 bytes of a message", ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			var r record
			cfg := withoutPrimary(t, &r, c.input, c.secondaries...)
			if c.secondaries[0] == "deaf" {
				cfg.Secondaries[0].Image = wfiLoop(t)
			}
			ending, err := run(t, cfg)
			if ending != c.ending || err == nil || !strings.Contains(err.Error(), c.says) || c.out != "" && r.console.String() != c.out {
				t.Errorf("ending %v, error %v\n%v", ending, err, &r)
			}
		})
	}
}

// wfiLoop is the image of a secondary that sleeps for ever.
func wfiLoop(t *testing.T) string {
	return flatImage(t, 0xD503207F, 0x17FFFFFF) // wfi; b .-4
}

func TestInputIsServedWhileASecondaryKeepsTheCPU(t *testing.T) {
	var r record
	in, to := io.Pipe()
	from, out := io.Pipe()
	cfg := withoutPrimary(t, &r, "", "echo", "busy")
	cfg.ConsoleIn, cfg.ConsoleOut = in, out
	m, ctx := built(t, cfg)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan Ending, 1)
	go func() {
		ending, _ := m.run(ctx)
		ended <- ending
		out.Close()
	}()
	b := make([]byte, 100)
	for i := range 3 {
		line := fmt.Sprintf("line %d\n", i)
		if _, err := io.WriteString(to, line); err != nil {
			t.Error(err)
		}
		if n, err := from.Read(b); err != nil || string(b[:n]) != line {
			t.Errorf("answer %q, %v\n%v", b[:n], err, &r)
		}
	}
	cancel()
	if ending := <-ended; ending != Cancelled {
		t.Errorf("ending %v\n%v", ending, &r)
	}
	in.Close()
}

// While all vCPUs are blocked, nothing runs: the machine sleeps until a timer fires.
func TestBuiltinSchedulerDoesNotPoll(t *testing.T) {
	var r record
	m, ctx := built(t, withoutPrimary(t, &r, "200000 5\n", "timer"))
	if ending, err := m.run(ctx); ending != PoweredOff || err != nil {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	if runs := m.runs(); runs > 1000 {
		t.Errorf("%d runs for 5 ticks in a second", runs)
	} else {
		t.Logf("%d runs", runs)
	}
}

func TestBuiltinRunLoopAllocatesNothing(t *testing.T) {
	var r record
	var before, after runtime.MemStats
	m, ctx := built(t, withoutPrimary(t, &r, "3 300\n", "flood", "sink"))
	runtime.ReadMemStats(&before)
	if ending, err := m.run(ctx); err != nil || ending != PoweredOff {
		t.Fatalf("ending %v, error %v\n%v", ending, err, &r)
	}
	runtime.ReadMemStats(&after)
	mallocs, runs := after.Mallocs-before.Mallocs, m.runs()
	if t.Logf("%d allocations in %d runs", mallocs, runs); mallocs > runs/4 {
		t.Errorf("%d allocations in %d runs", mallocs, runs)
	}
}

func TestMachineWithoutAPrimaryLeavesNothingBehind(t *testing.T) {
	var r record
	cfg := func() Config { return withoutPrimary(t, &r, "hello\n", "echo") }
	if _, err := run(t, cfg()); err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	for range 5 {
		if _, err := run(t, cfg()); err != nil {
			t.Fatal(err)
		}
	}
	if g := runtime.NumGoroutine(); g > goroutines {
		t.Errorf("after five machines: %d goroutines, before: %d", g, goroutines)
	}
}

// noMachine is what a scheduler that does nothing runs on.
type noMachine struct{ scheduler.Machine }

func (noMachine) Preempt(int) {}

// kickedMachine counts how often it is to take its CPU back.
type kickedMachine struct {
	scheduler.Machine
	kicks atomic.Int32
}

func (m *kickedMachine) Preempt(int) { m.kicks.Add(1) }

func TestInputIsCutIntoLines(t *testing.T) {
	for _, c := range []struct {
		in   []string
		want []string
	}{
		{nil, nil},
		{[]string{"a\nb\n"}, []string{"a", "b"}},
		{[]string{"a", "b\n", "\n", "c"}, []string{"ab", "", "c"}},
		{[]string{"a\r\n"}, []string{"a\r"}},
	} {
		b := &builtin{m: &Machine{stopped: make(chan struct{})}}
		b.input.queue = make(chan []byte, linesAhead)
		b.program = scheduler.New(scheduler.Config{Machine: noMachine{}, CPUs: 1})
		from := make(chan []byte, len(c.in))
		for _, part := range c.in {
			from <- []byte(part)
		}
		close(from)
		b.feed(from)
		var got []string
		line, ended := b.Line()
		for ; !ended; line, ended = b.Line() {
			if line == nil {
				t.Errorf("%q: a line is nil", c.in)
			}
			got = append(got, string(line))
		}
		if !slices.Equal(got, c.want) || line != nil || b.input.taken != len(c.want) {
			t.Errorf("%q: lines %q, want %q; %d taken", c.in, got, c.want, b.input.taken)
		}
	}
}

// slowWriter takes its time.
type slowWriter struct {
	bytes.Buffer
	gate chan struct{}
}

func (w *slowWriter) Write(b []byte) (int, error) {
	<-w.gate
	return w.Buffer.Write(b)
}

func TestAnswersWaitForTheReaderAndNoneIsLost(t *testing.T) {
	w := &slowWriter{gate: make(chan struct{})}
	b := &builtin{m: &Machine{stopped: make(chan struct{}), cfg: Config{ConsoleOut: w}}}
	b.program = scheduler.New(scheduler.Config{Machine: noMachine{}, CPUs: 1})
	b.openOutput()
	go b.write()
	if !b.Answer([]byte("one")) || b.Flushed() || b.Answer([]byte("two")) {
		t.Error("the second answer is taken before the first is written")
	}
	w.gate <- struct{}{}
	for !b.Flushed() {
		runtime.Gosched()
	}
	if !b.Answer([]byte("two")) {
		t.Error("the second answer is refused")
	}
	close(w.gate)
	if err := b.closeOutput(t.Context()); err != nil || w.String() != "one\ntwo\n" {
		t.Errorf("%q written, error %v", w.String(), err)
	}
}

func TestAnswerThatIsWrittenAfterTheEndIsToldToNobody(t *testing.T) {
	w := &slowWriter{gate: make(chan struct{})}
	b := &builtin{m: &Machine{stopped: make(chan struct{}), cfg: Config{ConsoleOut: w}}}
	var machine kickedMachine
	b.program = scheduler.New(scheduler.Config{Machine: &machine, CPUs: 1})
	b.openOutput()
	go b.write()
	b.Answer([]byte("one"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.closeOutput(ctx); err == nil {
		t.Error("an answer that nobody reads is no error")
	}
	close(w.gate)
	<-b.output.done
	if n := machine.kicks.Load(); n != 0 {
		t.Errorf("a machine that has ended is kicked %d times", n)
	}
}

func TestMachineEndsThoughNobodyReadsItsAnswers(t *testing.T) {
	var r record
	cfg := withoutPrimary(t, &r, "", "echo", "busy") // one of them has the CPU at any time
	in, to := io.Pipe()                              // which does not end
	defer in.Close()
	go io.WriteString(to, "hello\n")
	cfg.ConsoleIn = in
	reached, gate := make(chan struct{}), make(chan struct{})
	cfg.ConsoleOut = writerFunc(func(b []byte) (int, error) {
		close(reached)
		<-gate
		return 0, io.ErrClosedPipe
	})
	m, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	if ending, _ := m.run(ctx); ending != Cancelled {
		t.Errorf("ending %v\n%v", ending, &r)
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
	close(gate)
	<-m.builtin.output.done
}

// writerFunc is a function that implements io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// flatImage writes a flat binary of these instructions.
func flatImage(t *testing.T, code ...uint32) string {
	t.Helper()
	var b []byte
	for _, i := range code {
		b = binary.LittleEndian.AppendUint32(b, i)
	}
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
