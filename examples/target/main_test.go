package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/scsi"
)

func TestMain(m *testing.M) { leak.Main(m) }

// output is what a program prints.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer  // guarded by mu
	more chan struct{} // guarded by mu; closed and replaced when there is more
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await returns the first submatch of pattern, once it is there; ended is closed when
// nothing more will be printed.
func (o *output) await(t testing.TB, pattern string, ended <-chan struct{}) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for over := false; ; {
		o.mu.Lock()
		m, more := re.FindStringSubmatch(o.b.String()), o.more
		o.mu.Unlock()
		if m != nil {
			return m[len(m)-1]
		}
		require.False(t, over, "the program has not printed %s:\n%s", pattern, o)
		select {
		case <-more:
		case <-ended:
			over = true
		}
	}
}

// TestRun serves with all kinds of disks, looks at everything, and ends.
func TestRun(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.img")
	ctx, cancel := context.WithCancel(context.Background())
	out, ended := newOutput(), make(chan struct{})
	var err error
	go func() {
		defer close(ended)
		err = run(ctx, []string{"-listen", "127.0.0.1:0", "-debug", "127.0.0.1:0",
			"-lun", "mem:1MiB,removable", "-lun", "file:" + image + ":2MiB,wce=off", "-lun", "null:1TiB,blocksize=4096,ro"}, out, zap.NewNop())
	}()
	portal := out.await(t, `iscsi://(127\.0\.0\.1:\d+)/iqn.2026-11.io.github.goscst:target/0`, ended)
	base := out.await(t, `http://127\.0\.0\.1:\d+`, ended)
	for _, line := range []string{
		"LUN 0: mem 1 MiB, blocks of 512 bytes, removable\n", "LUN 1: file " + image + " 2 MiB, blocks of 512 bytes, write cache off\n",
		"LUN 2: null 1 TiB, blocks of 4096 bytes, read-only\n", "iscsiadm -m node", "iscsi-ls -s", "qemu-system",
	} {
		require.Contains(t, out.String(), line)
	}
	conn, dialErr := net.Dial("tcp", portal)
	require.NoError(t, dialErr)
	require.NoError(t, conn.Close())

	c := &client{t: t, base: base}
	defer c.http.CloseIdleConnections()
	require.Contains(t, c.get("/", http.StatusOK), "/resize")
	var stats struct {
		Engine struct{ Devices, Targets int }
		GC     struct{ Collections, Pauses int64 }
	}
	runtime.GC()
	require.NoError(t, json.Unmarshal([]byte(c.get("/stats", http.StatusOK)), &stats))
	require.Equal(t, 3, stats.Engine.Devices)
	require.Positive(t, stats.GC.Collections)
	require.Positive(t, stats.GC.Pauses)
	require.Equal(t, "[]\n", c.get("/commands", http.StatusOK))
	require.Contains(t, c.get("/sessions", http.StatusOK), `"engine": []`)
	require.Contains(t, c.get("/debug/pprof/goroutine?debug=1", http.StatusOK), "goroutine profile")

	require.Contains(t, c.post("/resize?lun=1&size=4MiB", http.StatusOK), "4 MiB")
	info, statErr := os.Stat(image)
	require.NoError(t, statErr)
	require.Equal(t, int64(4<<20), info.Size())
	require.Contains(t, c.post("/eject?lun=0", http.StatusOK), "LUN 0")
	require.Contains(t, c.post("/eject?lun=0", http.StatusConflict), "no medium")
	require.Contains(t, c.post("/insert?lun=0", http.StatusOK), "LUN 0")
	require.Contains(t, c.post("/insert?lun=0", http.StatusConflict), "there is a medium")
	require.Contains(t, c.post("/eject?lun=0", http.StatusOK), "LUN 0") // and leave it out

	for path, want := range map[string]string{
		"/resize?lun=3&size=1MiB": "0 to 2 is allowed", "/resize?size=1MiB": "0 to 2 is allowed", "/resize?lun=1&size=x": "a positive number",
		"/resize?lun=2&size=1MiB": "cannot change its size", "/eject?lun=1": "not removable", "/insert?lun=1": "not removable",
	} {
		require.Contains(t, c.post(path, http.StatusBadRequest), want, path)
	}
	require.Contains(t, c.post("/resize?lun=1&size=1000", http.StatusConflict), "a multiple of the block size")
	c.get("/resize?lun=1&size=1MiB", http.StatusMethodNotAllowed)

	cancel()
	<-ended
	require.NoError(t, err)
	require.Contains(t, out.String(), "ending")
	_, dialErr = net.Dial("tcp", portal)
	require.Error(t, dialErr)
}

// client asks the debug server.
type client struct {
	t    *testing.T
	base string
	http http.Client
}

func (c *client) get(path string, status int) string {
	c.t.Helper()
	r, err := c.http.Get(c.base + path)
	return c.body(r, err, status)
}

func (c *client) post(path string, status int) string {
	c.t.Helper()
	r, err := c.http.Post(c.base+path, "", nil)
	return c.body(r, err, status)
}

func (c *client) body(r *http.Response, err error, status int) string {
	c.t.Helper()
	require.NoError(c.t, err)
	b, err := io.ReadAll(r.Body)
	require.NoError(c.t, err)
	require.NoError(c.t, r.Body.Close())
	require.Equal(c.t, status, r.StatusCode, "%s", b)
	return string(b)
}

// TestLUNs checks what initiators see of the options.
func TestLUNs(t *testing.T) {
	c, err := parseFlags([]string{"-listen", "127.0.0.1:0",
		"-lun", "mem:1MiB,serial=ABC,removable", "-lun", "null:1MiB,ro,blocksize=4096", "-lun", "mem:1MiB,thin=off,physexp=0,wce=on"}, io.Discard)
	require.NoError(t, err)
	p, err := start(c, zap.NewNop())
	require.NoError(t, err)
	tgt, ok := p.engine.Target(c.iqn)
	require.True(t, ok)
	ctx := context.Background()
	i, err := local.Login(ctx, tgt, nil)
	require.NoError(t, err)
	disks := make([]*local.Disk, 3)
	for n := range disks {
		disks[n], err = i.Disk(ctx, uint16(n))
		require.NoError(t, err)
	}
	require.Equal(t, []int{512, 4096, 512}, []int{disks[0].BlockSize(), disks[1].BlockSize(), disks[2].BlockSize()})
	_, err = disks[0].WriteAt([]byte("hello"), 0)
	require.NoError(t, err)
	_, err = disks[1].WriteAt([]byte("hello"), 0)
	require.ErrorIs(t, err, scsi.WriteProtected)
	require.NoError(t, disks[0].Discard(ctx, 0, 4096))
	require.Error(t, disks[2].Discard(ctx, 0, 4096))

	serial := make([]byte, 64)
	r, err := i.Do(ctx, 0, []byte{0x12, 1, 0x80, 0, 64, 0}, nil, serial)
	require.NoError(t, err)
	require.Contains(t, string(serial[4:r.N]), "ABC")
	var capacity [32]byte
	_, err = i.Do(ctx, 0, []byte{0x9E, 0x10, 13: 32, 15: 0}, nil, capacity[:])
	require.NoError(t, err)
	require.Equal(t, byte(3), capacity[13]&0xF, "4 KiB physical by default")
	_, err = i.Do(ctx, 2, []byte{0x9E, 0x10, 13: 32, 15: 0}, nil, capacity[:])
	require.NoError(t, err)
	require.Equal(t, byte(0), capacity[13]&0xF)
	var caching [24]byte
	_, err = i.Do(ctx, 2, []byte{0x1A, 8, 8, 0, 24, 0}, nil, caching[:])
	require.NoError(t, err)
	require.NotZero(t, caching[4+2]&4, "WCE")

	// What an initiator ejects, the operator can put in again.
	_, err = i.Do(ctx, 0, []byte{0x1B, 0, 0, 0, 2, 0}, nil, nil)
	require.NoError(t, err)
	_, err = disks[0].ReadAt(make([]byte, 5), 0)
	require.ErrorIs(t, err, scsi.MediumTrayOpen)
	require.NoError(t, p.luns[0].insert(ctx))
	_, err = disks[0].ReadAt(make([]byte, 5), 0)
	require.NoError(t, err)

	require.NoError(t, p.end())
	<-i.Done()
}

func TestStartFails(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer busy.Close()
	dir := t.TempDir()
	for _, x := range []struct {
		args []string
		want string
	}{
		{[]string{"-listen", busy.Addr().String()}, "-listen"},
		{[]string{"-listen", "127.0.0.1:0", "-debug", busy.Addr().String()}, "-debug"},
		{[]string{"-lun", "mem:1MiB", "-lun", "file:" + filepath.Join(dir, "missing")}, "-lun"},
		{[]string{"-lun", "file:" + filepath.Join(dir, "a") + ":1MiB", "-lun", "file:" + filepath.Join(dir, "a")}, "-lun"},
	} {
		err := run(context.Background(), x.args, io.Discard, zap.NewNop())
		require.ErrorContains(t, err, x.want)
	}
}
