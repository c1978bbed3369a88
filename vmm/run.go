package vmm

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/hfvmm/hfvmm/vmm/api"
)

// flushTime is how long a machine that ended waits for a slow reader of its console.
const flushTime = 2 * time.Second

// Run builds the machine, runs it until it ends or ctx is done, and frees it. The error says why
// the machine could not be built (wrapping ErrUsage or ErrNoKVM where that was the reason), or how it
// crashed.
func Run(ctx context.Context, cfg Config) (Ending, error) {
	m, err := build(cfg)
	if err != nil {
		return NotBuilt, err
	}
	defer m.close()
	return m.run(ctx)
}

// run runs the machine until it ends or ctx is done, and all its threads have ended.
func (m *Machine) run(ctx context.Context) (Ending, error) {
	makeRoom(len(m.pcpus))
	var threads sync.WaitGroup
	for _, p := range m.pcpus {
		threads.Go(p.loop)
		threads.Go(p.watch.loop)
	}
	input, closeOutput := m.feedConsole, m.out.Close
	if b := m.builtin; b != nil {
		input, closeOutput = b.feed, b.closeOutput
		go b.write()
	}
	if m.cfg.ConsoleIn != nil {
		bytes := make(chan []byte)
		go m.readConsole(m.cfg.ConsoleIn, bytes)
		threads.Go(func() { input(bytes) })
	} else if b := m.builtin; b != nil {
		b.endInput()
	}
	if m.cfg.API != nil {
		defer api.Serve(m.cfg.API, m).Close()
	}
	select {
	case <-ctx.Done():
		m.end(Cancelled, context.Cause(ctx))
	case <-m.stopped:
	}
	threads.Wait()
	m.watchdog.close()
	m.inspector.close()
	flush, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	for _, v := range m.vms {
		if v.board == nil {
			continue
		}
		if err := v.board.close(flush); err != nil {
			m.log.Warn("console output lost", "vm", v.name, "error", err)
		}
	}
	if err := closeOutput(flush); err != nil {
		m.log.Warn("console output lost", "error", err)
	}
	return m.ending, m.err
}

// makeRoom lets every pCPU and two more goroutines run at once: a Go program with fewer threads than
// that takes a pCPU's turn away during each KVM_RUN, and must find it a new one after.
func makeRoom(pcpus int) {
	if want := pcpus + 2; runtime.GOMAXPROCS(0) < want {
		runtime.GOMAXPROCS(want)
	}
}
