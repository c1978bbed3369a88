package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
)

// Client asks the machine behind a socket. Its methods wait while the machine is not yet built, and return what
// it refuses as an error with its sentence.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the socket at path.
func NewClient(path string) *Client {
	var dialer net.Dialer
	return &Client{path, http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
	}}}
}

// Status asks for the machine's status.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "status", nil, &s)
}

// Pause stops every vCPU.
func (c *Client) Pause(ctx context.Context) error {
	return c.do(ctx, http.MethodPut, "pause", nil, nil)
}

// Resume lets the vCPUs of a paused machine go on.
func (c *Client) Resume(ctx context.Context) error {
	return c.do(ctx, http.MethodPut, "resume", nil, nil)
}

// PowerOff ends the machine.
func (c *Client) PowerOff(ctx context.Context) error {
	return c.do(ctx, http.MethodPut, "power-off", nil, nil)
}

// RaiseEvent raises an SDEI event.
func (c *Client) RaiseEvent(ctx context.Context, e EventRequest) error {
	return c.do(ctx, http.MethodPut, "event", e, nil)
}

// SDEI reads the state of a VM's SDEI.
func (c *Client) SDEI(ctx context.Context, vm string) (s SDEIState, err error) {
	return s, c.do(ctx, http.MethodGet, "vms/"+url.PathEscape(vm)+"/sdei", nil, &s)
}

// SetSDEI replaces it.
func (c *Client) SetSDEI(ctx context.Context, vm string, s SDEIState) error {
	return c.do(ctx, http.MethodPut, "vms/"+url.PathEscape(vm)+"/sdei", s, nil)
}

// Registers reads the pseudo firmware registers of a vCPU's SDEI.
func (c *Client) Registers(ctx context.Context, vm string, vcpu int) (r Registers, err error) {
	return r, c.do(ctx, http.MethodGet, registersPath(vm, vcpu), nil, &r)
}

// SetRegisters writes some of them.
func (c *Client) SetRegisters(ctx context.Context, vm string, vcpu int, r Registers) error {
	return c.do(ctx, http.MethodPut, registersPath(vm, vcpu), r, nil)
}

func registersPath(vm string, vcpu int) string {
	return "vms/" + url.PathEscape(vm) + "/vcpus/" + strconv.Itoa(vcpu) + "/sdei-registers"
}

// do sends a request with a body, if that is not nil, and reads the answer into answer, if that is not nil.
func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://hfvmm/api/v1/"+path, &b)
	if err != nil {
		return err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return c.explain(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		var e errorBody
		if json.NewDecoder(response.Body).Decode(&e) != nil || e.Error == "" {
			e.Error = fmt.Sprintf("what listens at %q answers %s", c.path, response.Status)
		}
		return errors.New(e.Error)
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("what listens at %q does not speak as hfvmm does: %w", c.path, err)
	}
	return nil
}

// explain says why there was no answer.
func (c *Client) explain(err error) error {
	var call *url.Error
	if errors.As(err, &call) {
		err = call.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no socket %q; start a machine with `hfvmm run --api-socket %s`", c.path, c.path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %q any more; start a machine with `hfvmm run --api-socket %s`", c.path, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the socket %q belongs to another user; ask as the one who runs the machine", c.path)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %q: %w", c.path, err)
	}
	return fmt.Errorf("the machine behind %q has ended, or does not listen: %w", c.path, err)
}
