package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// What a tsnet node offers on request, besides its ordinary services: the other side of the clients of an SDK.
//
//	pages      HTTP: /length?bytes=N, /chunked?bytes=N&pieces=M (bytes of pattern251), /echo (the body, back), /stream (server-sent events)
//	websocket  HTTP that becomes a WebSocket: every message comes back; "ping me" is answered by a ping, "close me" by a close with 1001
//	tls, https echo and pages over TLS, with a certificate of this kind (certificates.go) for this name
//	mqtt       a broker (broker.go)
//	ntp, dns   UDP (answers.go)
func registerOffers(p *program, ns *nodes) {
	brokers := map[string]*broker{}
	command(p, "node.offer", func(_ context.Context, a struct {
		Node        string            `json:"node"`
		What        string            `json:"what"`
		Port        uint16            `json:"port"`
		Certificate string            `json:"certificate"` // tls, https
		HostName    string            `json:"hostName"`    // tls, https
		Records     map[string]string `json:"records"`     // dns
		Password    string            `json:"password"`    // mqtt: that of user "user"; "" lets everybody in
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		switch a.What {
		case "ntp":
			return none{}, n.answerUDP(a.Port, answerNTP)
		case "dns":
			return none{}, n.answerUDP(a.Port, answerDNS(a.Records))
		}
		l, err := n.server.Listen("tcp", fmt.Sprintf(":%d", a.Port))
		if err != nil {
			return nil, err
		}
		if a.What == "tls" || a.What == "https" {
			issued, err := p.authority.issue(a.Certificate, a.HostName)
			if err != nil {
				return nil, err
			}
			l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{issued.certificate}, MinVersion: tls.VersionTLS12})
		}
		switch a.What {
		case "pages", "https":
			go http.Serve(l, pages())
		case "websocket":
			go http.Serve(l, http.HandlerFunc(echoWebSocket))
		case "tls":
			go serve(l, n.echo)
		case "mqtt":
			b, err := newBroker(l, a.Password)
			if err != nil {
				return nil, err
			}
			brokers[a.Node] = b
		default:
			return nil, fmt.Errorf("nothing called %q is offered", a.What)
		}
		return none{}, nil
	})
	command(p, "node.heard", func(_ context.Context, a nodeArgument) (any, error) {
		b, ok := brokers[a.Node]
		if !ok {
			return nil, fmt.Errorf("node %q has no broker", a.Node)
		}
		return b.heard(), nil
	})
	command(p, "node.websocket", func(ctx context.Context, a struct {
		Node string `json:"node"`
		URL  string `json:"url"`
		// Messages by size; every second one is text. Each has to come back before the next is sent.
		Sizes []int `json:"sizes"`
	}) (any, error) {
		n, err := ns.get(a.Node)
		if err != nil {
			return nil, err
		}
		return askWebSocket(ctx, n, a.URL, a.Sizes)
	})
}

func serve(l net.Listener, handle func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

// pattern251 is bytes 0, 1, ... 250, 0, 1, ...
func pattern251(count int) []byte {
	b := make([]byte, count)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

func pages() http.Handler {
	number := func(r *http.Request, name string) int {
		n, _ := strconv.Atoi(r.URL.Query().Get(name))
		return n
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/length", func(w http.ResponseWriter, r *http.Request) {
		body := pattern251(number(r, "bytes"))
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Header().Set("X-Page", "length")
		w.Write(body)
	})
	mux.HandleFunc("/chunked", func(w http.ResponseWriter, r *http.Request) {
		body, pieces := pattern251(number(r, "bytes")), max(number(r, "pieces"), 1)
		for i := range pieces {
			w.Write(body[len(body)*i/pieces : len(body)*(i+1)/pieces])
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Header().Set("X-Method", r.Method)
		w.Write(body)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", i, i)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	return mux
}

func echoWebSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	for {
		kind, message, err := c.Read(ctx)
		if err != nil {
			return
		}
		switch string(message) {
		case "ping me":
			// The pong is read by the next Read, so both run side by side.
			go func() {
				if c.Ping(ctx) == nil {
					c.Write(ctx, websocket.MessageText, []byte("pong came"))
				}
			}()
		case "close me":
			c.Close(websocket.StatusGoingAway, "as asked")
			return
		default:
			if c.Write(ctx, kind, message) != nil {
				return
			}
		}
	}
}

// askWebSocket sends messages to a WebSocket server that echoes. It leaves without a close: the SDK's server does not unmask what comes with one.
func askWebSocket(ctx context.Context, n *node, url string, sizes []int) (any, error) {
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: n.httpClient(), CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	for i, size := range sizes {
		kind, message := websocket.MessageBinary, pattern251(size)
		if i%2 == 1 {
			kind = websocket.MessageText
			for j := range message {
				message[j] = 'a' + byte(j%26)
			}
		}
		if err := c.Write(ctx, kind, message); err != nil {
			return nil, err
		}
		gotKind, got, err := c.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("message %d of %d bytes: %w", i, size, err)
		}
		if gotKind != kind || string(got) != string(message) {
			return nil, fmt.Errorf("message %d of %d bytes came back as %v of %d bytes", i, size, gotKind, len(got))
		}
	}
	return none{}, nil
}
