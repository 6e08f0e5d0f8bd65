package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"tailscale.com/tailcfg"
	"tailscale.com/util/rands"
)

// pingAnswer is what a node sent to the URL of a PingRequest.
type pingAnswer struct {
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// registerControlAsks: what control asks of a node over its map stream, and map messages of a test's own.
func registerControlAsks(p *program, c *control) {
	command(p, "control.c2n", func(ctx context.Context, a struct {
		Node   string `json:"node"`
		Method string `json:"method"`
		Path   string `json:"path"`
		Body   string `json:"body"`
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, a.Method, "http://unused"+a.Path, strings.NewReader(a.Body))
		if err != nil {
			return nil, err
		}
		response, err := c.roundTrip(ctx, n, r)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		return map[string]any{"status": response.StatusCode, "body": string(body), "headers": response.Header}, nil
	})
	command(p, "control.ping", func(ctx context.Context, a struct {
		Node  string     `json:"node"`
		Types string     `json:"types"` // "": a HEAD request is wanted; else "disco", "TSMP", ...
		IP    netip.Addr `json:"ip"`
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		token := rands.HexString(16)
		answered := make(chan pingAnswer, 8)
		c.mu.Lock()
		c.answers[token] = answered
		c.mu.Unlock()
		request := &tailcfg.PingRequest{URL: c.url + "/interop/answer/" + token, Types: a.Types, IP: a.IP}
		if !c.ask(n, request) {
			return nil, fmt.Errorf("node %s is not in a map poll", a.Node)
		}
		select {
		case answer := <-answered:
			return answer, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("node %s did not answer the ping request", a.Node)
		}
	})
	command(p, "control.send", func(_ context.Context, a struct {
		Node     string               `json:"node"`
		Response *tailcfg.MapResponse `json:"response"`
		Text     string               `json:"text"`     // instead: the message as text, any bytes ("own" streams only)
		CutAfter int                  `json:"cutAfter"` // with text: only so many bytes of the frame, then the stream ends
	}) (any, error) {
		n, err := c.find(a.Node)
		if err != nil {
			return nil, err
		}
		sent := false
		switch {
		case c.director != nil:
			sent = c.director.send(n.Key, message{response: a.Response, text: a.Text, cutAfter: a.CutAfter})
		case a.Response != nil:
			// testcontrol sends this node nothing of its own from now on.
			sent = c.server.AddRawMapResponse(n.Key, a.Response)
		default:
			return nil, fmt.Errorf("text needs a control with stream \"own\"")
		}
		if !sent {
			return nil, fmt.Errorf("node %s is not in a map poll", a.Node)
		}
		return none{}, nil
	})
}

// ask puts a PingRequest on the node's stream.
func (c *control) ask(n *tailcfg.Node, request *tailcfg.PingRequest) bool {
	if c.director != nil {
		return c.director.send(n.Key, message{response: &tailcfg.MapResponse{PingRequest: request}})
	}
	return c.server.AddPingRequest(n.Key, request)
}

// roundTrip is testcontrol's SendC2N, also over the director's streams.
func (c *control) roundTrip(ctx context.Context, n *tailcfg.Node, r *http.Request) (*http.Response, error) {
	if c.director == nil {
		return c.server.NodeRoundTripper(n.Key).RoundTrip(r)
	}
	var payload strings.Builder
	if err := r.Write(&payload); err != nil {
		return nil, err
	}
	token := rands.HexString(10)
	answered := make(chan *http.Response, 1)
	c.server.C2NResponses.Store(token, func(response *http.Response) { answered <- response })
	if !c.ask(n, &tailcfg.PingRequest{URL: "https://unused/c2n/" + token, Types: "c2n", Payload: []byte(payload.String())}) {
		c.server.C2NResponses.Delete(token)
		return nil, fmt.Errorf("node %s is not in a map poll", n.Name)
	}
	select {
	case response := <-answered:
		return response, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serveAnswer takes what a node sends to the URL of a PingRequest.
func (c *control) serveAnswer(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	answered := c.answers[strings.TrimPrefix(r.URL.Path, "/interop/answer/")]
	c.mu.Unlock()
	if answered == nil {
		http.NotFound(w, r)
		return
	}
	answer := pingAnswer{Method: r.Method}
	if body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16)); json.Valid(body) {
		answer.Body = body
	}
	select {
	case answered <- answer:
	default:
	}
	w.WriteHeader(http.StatusOK)
}
