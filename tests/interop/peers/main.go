// Program peers runs stock Tailscale parts in the network namespace where it is started, and tells a test what they see:
// a control server (testcontrol), DERP servers, STUN servers and tsnet nodes.
//
// It is driven by one JSON object a line on standard input and answers on standard output:
//
//	> {"id":1,"do":"node.ping","with":{"node":"t1","to":"100.64.0.2","kind":"disco"},"timeoutMS":5000}
//	< {"id":1,"ok":true,"result":{"latencyMS":1.2,"endpoint":"10.71.0.2:41641"}}
//	< {"id":2,"ok":false,"error":"no node \"t9\""}
//
// Commands run side by side, so answers come in any order. Every command sits in the file of its first word (control.go,
// relay.go, node.go, ...); README.md lists them. End of input ends the program. Logs go to standard error.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"tailscale.com/version"
)

// request is one line of standard input.
type request struct {
	ID        int64           `json:"id"`
	Do        string          `json:"do"`
	With      json.RawMessage `json:"with"`
	TimeoutMS int64           `json:"timeoutMS"` // 0: 60 s
}

// answer is one line of standard output.
type answer struct {
	ID     int64  `json:"id"`
	OK     bool   `json:"ok"`
	Error  string `json:"error,omitempty"`
	Result any    `json:"result,omitempty"`
}

// program is everything that lives in this process.
type program struct {
	dir         string // states of nodes, certificates
	verbose     bool
	authority   *authority
	control     *control
	relays      *relays
	nodes       *nodes
	commandsFor map[string]func(context.Context, json.RawMessage) (any, error)
}

// command registers what `do: name` does; A is the type of `with`, in which unknown members are an error.
func command[A any](p *program, name string, run func(context.Context, A) (any, error)) {
	p.commandsFor[name] = func(ctx context.Context, with json.RawMessage) (any, error) {
		var arguments A
		if len(with) > 0 {
			if err := strictUnmarshal(with, &arguments); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return run(ctx, arguments)
	}
}

func main() {
	dir := flag.String("dir", "", "folder for states and certificates; must exist")
	verbose := flag.Bool("verbose", false, "log what the nodes and servers log")
	flag.Parse()
	log.SetFlags(log.Lmicroseconds)
	if *dir == "" {
		log.Fatal("peers: -dir is missing")
	}
	ca, err := loadAuthority(filepath.Join(*dir, "ca.pem"), filepath.Join(*dir, "ca-key.pem"))
	if err != nil {
		log.Fatalf("peers: certificate authority: %v", err)
	}
	// Read by crypto/x509 once, at its first verification: the tsnet nodes of this process trust our authority and no other.
	os.Setenv("SSL_CERT_FILE", ca.file)
	os.Setenv("SSL_CERT_DIR", "/nonexistent")
	os.Setenv("TS_NO_LOGS_NO_SUPPORT", "true")

	p := &program{dir: *dir, verbose: *verbose, authority: ca, commandsFor: map[string]func(context.Context, json.RawMessage) (any, error){}}
	p.control = newControl(p)
	p.relays = newRelays(p)
	p.nodes = newNodes(p)
	registerLocal(p)
	registerResolvers(p)
	registerVillains(p)
	command(p, "certificate.write", func(_ context.Context, a struct {
		Kind        string `json:"kind"` // of certificates.go; default "ca"
		Host        string `json:"host"`
		Certificate string `json:"certificate"` // files to write
		Key         string `json:"key"`
	}) (any, error) {
		return none{}, p.authority.writeCertificate(a.Kind, a.Host, a.Certificate, a.Key)
	})
	p.serve()
	p.nodes.closeAll()
}

// serve answers commands until the end of standard input.
func (p *program) serve() {
	out := bufio.NewWriter(os.Stdout)
	var mu sync.Mutex
	write := func(v any) {
		line, err := json.Marshal(v)
		if err != nil {
			line, _ = json.Marshal(answer{Error: err.Error()})
		}
		mu.Lock()
		defer mu.Unlock()
		out.Write(line)
		out.WriteByte('\n')
		out.Flush()
	}
	write(map[string]any{"event": "ready", "ca": p.authority.file, "tailscale": version.Short(), "go": runtime.Version()})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 256<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			write(answer{Error: fmt.Sprintf("not a request: %v", err)})
			continue
		}
		run, ok := p.commandsFor[r.Do]
		if !ok {
			write(answer{ID: r.ID, Error: fmt.Sprintf("no command %q", r.Do)})
			continue
		}
		go func() {
			timeout := time.Minute
			if r.TimeoutMS > 0 {
				timeout = time.Duration(r.TimeoutMS) * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			result, err := run(ctx, r.With)
			if err != nil {
				write(answer{ID: r.ID, Error: err.Error()})
				return
			}
			write(answer{ID: r.ID, OK: true, Result: result})
		}()
	}
}

// logf returns the logger of one part: silent unless -verbose.
func (p *program) logf(part string) func(string, ...any) {
	if !p.verbose {
		return func(string, ...any) {}
	}
	return func(format string, arguments ...any) { log.Printf(part+": "+format, arguments...) }
}
