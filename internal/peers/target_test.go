package peers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/invariant"
)

// targetName is the iSCSI name that the targets under test get.
const targetName = "iqn.2026-11.io.github.goscst:peers"

// target is a running iSCSI target on the loopback interface.
type target struct {
	portal string // address and port
	first  int    // number of the first logical unit
	debug  string // base URL of its debug server, "" if it has none
	ours   bool   // whether the expectations of these tests hold for it
}

// lun is a logical unit of a target.
type lun struct {
	file    string // backing file; "" for memory
	size    int64  // bytes
	options string // as for the flag -lun of examples/target
}

// url returns the iSCSI URL of the i-th logical unit, counted from zero.
func (g *target) url(i int) string {
	return fmt.Sprintf("iscsi://%s/%s/%d", g.portal, targetName, g.first+i)
}

// startTarget runs a target with the logical units until the test ends.
func startTarget(t testing.TB, luns ...lun) *target {
	t.Helper()
	switch peer := os.Getenv("GOSCST_PEER"); peer {
	case "":
		return startOurs(t, luns)
	case "tgtd":
		return startTgtd(t, luns)
	default:
		t.Fatalf("no target %q to test", peer)
		return nil
	}
}

// Lines of examples/target that tell where it listens.
var (
	servesISCSI = regexp.MustCompile(`iscsi://(127\.0\.0\.1:\d+)/`)
	servesHTTP  = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
)

func startOurs(t testing.TB, luns []lun) *target {
	t.Helper()
	args := []string{"-listen", "127.0.0.1:0", "-debug", "127.0.0.1:0", "-iqn", targetName}
	for _, l := range luns {
		args = append(args, "-lun", l.flag())
	}
	p := start(t, builtTarget(t), args...)
	// With the race detector, a race shows in the exit status.
	t.Cleanup(func() { p.stop(t) })
	return &target{
		portal: p.await(t, servesISCSI)[1],
		debug:  p.await(t, servesHTTP)[0],
		ours:   true,
	}
}

// flag returns the value of the flag -lun that makes l.
func (l lun) flag() string {
	value := fmt.Sprintf("mem:%d", l.size)
	if l.file != "" {
		value = fmt.Sprintf("file:%s:%d", l.file, l.size)
	}
	if l.options != "" {
		value += "," + l.options
	}
	return value
}

// resize changes the size of the i-th logical unit.
func (g *target) resize(t testing.TB, i int, size int64) {
	t.Helper()
	query := url.Values{"lun": {fmt.Sprint(g.first + i)}, "size": {fmt.Sprint(size)}}
	client := http.Client{Timeout: startTimeout}
	resp, err := client.Post(g.debug+"/resize?"+query.Encode(), "", nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
}

// build makes examples/target once for all tests of a run.
type build struct {
	once sync.Once
	dir  string
	path string
	err  error
}

var theBuild build

// TestMain removes what the tests share.
func TestMain(m *testing.M) {
	m.Run()
	if theBuild.dir != "" {
		_ = os.RemoveAll(theBuild.dir) // a temporary directory, nothing depends on it
	}
}

// builtTarget returns the program examples/target in the flavour of the running tests.
func builtTarget(t testing.TB) string {
	t.Helper()
	theBuild.once.Do(func() { theBuild.err = theBuild.make() })
	require.NoError(t, theBuild.err)
	return theBuild.path
}

func (b *build) make() (err error) {
	if b.dir, err = os.MkdirTemp("", "goscst-peers-"); err != nil {
		return err
	}
	b.path = filepath.Join(b.dir, "target")
	args := []string{"build", "-o", b.path}
	if raceEnabled {
		args = append(args, "-race")
	}
	if invariant.Enabled {
		args = append(args, "-tags", "scsidebug")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	const program = "github.com/goscst/goscst/examples/target"
	if out, err := output(ctx, "", "go", append(args, program)...); err != nil {
		return fmt.Errorf("building examples/target: %w\n%s", err, out)
	}
	return touchSources(ctx, program)
}

// touchSources looks at every source file of the program, so that the go command knows on which
// files the result of these tests depends and does not take an old one from its cache.
func touchSources(ctx context.Context, program string) error {
	out, err := output(ctx, "", "go", "list", "-deps", "-f",
		"{{if not .Standard}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}{{end}}", program)
	if err != nil {
		return fmt.Errorf("listing the sources of examples/target: %w\n%s", err, out)
	}
	for _, name := range strings.Fields(out) {
		if _, err := os.Stat(name); err != nil {
			return err
		}
	}
	return nil
}
