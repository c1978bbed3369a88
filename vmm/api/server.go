package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hfvmm/hfvmm/sdei"
)

// Limits on clients.
const (
	maxBody   = 4 << 20          // bytes; the state of 512 vCPUs has one
	readTime  = 10 * time.Second // for a request
	pauseTime = 30 * time.Second // for vCPUs to stop
	closeTime = time.Second      // for answers to be read at the end
)

// Server serves one machine.
type Server struct {
	http http.Server

	mu      sync.RWMutex // held while the machine is used
	machine Machine      // nil once the server is closed

	change sync.Mutex // held while a state is read, changed and written
}

// Serve serves m to those who connect to l, until Close.
func Serve(l net.Listener, m Machine) *Server {
	s := &Server{machine: m}
	s.http = http.Server{Handler: s.routes(), ReadTimeout: readTime, ErrorLog: log.New(io.Discard, "", 0)}
	go s.http.Serve(l)
	return s
}

// Close closes the listener and lets the requests that are being served end. The machine is not touched any
// more after it has returned.
func (s *Server) Close() {
	s.mu.Lock()
	s.machine = nil
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
}

// handler serves one kind of request: the answer is JSON, or nil.
type handler func(m Machine, r *http.Request) (answer any, err error)

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"GET /api/v1/status":                               status,
		"PUT /api/v1/pause":                                pause,
		"PUT /api/v1/resume":                               resume,
		"PUT /api/v1/power-off":                            powerOff,
		"PUT /api/v1/event":                                event,
		"GET /api/v1/vms/{vm}/sdei":                        getState,
		"PUT /api/v1/vms/{vm}/sdei":                        s.alone(putState),
		"GET /api/v1/vms/{vm}/vcpus/{vcpu}/sdei-registers": getRegisters,
		"PUT /api/v1/vms/{vm}/vcpus/{vcpu}/sdei-registers": s.alone(putRegisters),
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h) })
	}
	return mux
}

// alone keeps changes of a state apart.
func (s *Server) alone(h handler) handler {
	return func(m Machine, r *http.Request) (any, error) {
		s.change.Lock()
		defer s.change.Unlock()
		return h(m, r)
	}
}

// errClosed is what becomes of a request that comes too late.
var errClosed = Conflict(errors.New("the machine has ended"))

func (s *Server) serve(w http.ResponseWriter, r *http.Request, h handler) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	s.mu.RLock()
	var answer any
	err := error(errClosed)
	if s.machine != nil {
		answer, err = h(s.machine, r)
	}
	s.mu.RUnlock()
	switch {
	case err != nil:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(statusOf(err))
		_ = json.NewEncoder(w).Encode(errorBody{err.Error()}) // to a client that may be gone
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func statusOf(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return http.StatusBadRequest
}

// body reads the body of a request into v.
func body(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body of the request is not what this takes: %w", err)
	}
	if d.More() {
		return errors.New("the body of the request has more than one value")
	}
	return nil
}

func status(m Machine, _ *http.Request) (any, error) { return m.Status(), nil }

func pause(m Machine, r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), pauseTime)
	defer cancel()
	return nil, m.Pause(ctx)
}

func resume(m Machine, _ *http.Request) (any, error) {
	m.Resume()
	return nil, nil
}

func powerOff(m Machine, _ *http.Request) (any, error) {
	m.PowerOff()
	return nil, nil
}

func event(m Machine, r *http.Request) (any, error) {
	var e EventRequest
	if err := body(r, &e); err != nil {
		return nil, err
	}
	if uint64(e.Event)>>32 != 0 {
		return nil, fmt.Errorf("%#x is no event number", uint64(e.Event))
	}
	return nil, m.RaiseEvent(e.VM, e.VCPU, uint32(e.Event))
}

func getState(m Machine, r *http.Request) (any, error) {
	s, err := m.SaveSDEI(r.PathValue("vm"))
	return encodeState(s), err
}

func putState(m Machine, r *http.Request) (any, error) {
	var in SDEIState
	if err := body(r, &in); err != nil {
		return nil, err
	}
	s, err := decodeState(in)
	if err != nil {
		return nil, err
	}
	return nil, m.RestoreSDEI(r.PathValue("vm"), s)
}

// stateOf returns the state of the VM that a request names, and in it that of the vCPU.
func stateOf(m Machine, r *http.Request) (s sdei.State, pe *sdei.PEState, err error) {
	if s, err = m.SaveSDEI(r.PathValue("vm")); err != nil {
		return s, nil, err
	}
	i, err := strconv.Atoi(r.PathValue("vcpu"))
	if err != nil || i < 0 || i >= len(s.PEs) {
		return s, nil, NotFound(fmt.Errorf("VM %s has no vCPU %q", r.PathValue("vm"), r.PathValue("vcpu")))
	}
	return s, &s.PEs[i], nil
}

func getRegisters(m Machine, r *http.Request) (any, error) {
	_, pe, err := stateOf(m, r)
	if err != nil {
		return nil, err
	}
	out := Registers{}
	for _, id := range sdei.Registers {
		words, err := pe.Register(id)
		if err != nil {
			return nil, err
		}
		for _, w := range words {
			out[Hex(id)] = append(out[Hex(id)], Hex(w))
		}
	}
	return out, nil
}

func putRegisters(m Machine, r *http.Request) (any, error) {
	var in Registers
	if err := body(r, &in); err != nil {
		return nil, err
	}
	s, pe, err := stateOf(m, r)
	if err != nil {
		return nil, err
	}
	for _, id := range sdei.Registers { // in the order in which they must be written
		words, given := in[Hex(id)]
		if !given {
			continue
		}
		delete(in, Hex(id))
		var v []uint64
		for _, w := range words {
			v = append(v, uint64(w))
		}
		if err := pe.SetRegister(id, v); err != nil {
			return nil, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(in)) {
		return nil, NotFound(fmt.Errorf("there is no register %#x", uint64(id)))
	}
	return nil, m.RestoreSDEI(r.PathValue("vm"), s)
}
