package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// suiteTimeout is how long one test of the suite may take before it counts as hung. The longest
// take some seconds.
const suiteTimeout = time.Minute

// The logical units that the suite needs, see [suiteURL].
const (
	unitMain      = iota // thin, several blocks in a physical one
	unitPlain            // a block is a physical one
	unitRemovable        // with a medium to eject
	unitReadOnly         // write-protected
)

// TestLibiscsi runs libiscsi's conformance suite, test by test, on memory and on files. Single
// tests are selected as in -run 'TestLibiscsi/mem/SCSI.Read10'.
func TestLibiscsi(t *testing.T) {
	tool := Tool(t, "iscsi-test-cu", "libiscsi-bin")
	names := suiteTests(t, tool)
	text, err := os.ReadFile("testdata/libiscsi.txt")
	require.NoError(t, err)
	expected, err := readExcuses(string(text))
	require.NoError(t, err)

	for _, store := range []string{"mem", "file"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			luns := []lun{
				{size: 128 << 20, options: "physexp=3"},
				{size: 64 << 20, options: "physexp=0"},
				{size: 64 << 20, options: "removable"},
				{size: 64 << 20, options: "ro"},
			}
			if store == "file" {
				dir := t.TempDir()
				for i := range luns {
					luns[i].file = filepath.Join(dir, fmt.Sprintf("lun%d", i))
					require.NoError(t, os.WriteFile(luns[i].file, nil, 0o644))
					require.NoError(t, os.Truncate(luns[i].file, luns[i].size))
				}
			}
			tgt := startTarget(t, luns...)
			var results []suiteResult
			for _, name := range names {
				t.Run(name, func(t *testing.T) {
					r := runSuiteTest(t, tool, tgt, name)
					results = append(results, r)
					if problem := expected.check(name, r.verdict, r.why); problem != "" && tgt.ours {
						t.Errorf("%s\n%s", problem, r.log)
					}
				})
			}
			report(t, "libiscsi-"+store+".txt", suiteTable(tool, tgt.url(unitMain), results))
		})
	}
}

// TestLibiscsiList discovers the target and its logical units.
func TestLibiscsiList(t *testing.T) {
	tool := Tool(t, "iscsi-ls", "libiscsi-bin")
	tgt := startTarget(t, lun{size: 32 << 20}, lun{size: 64 << 20})
	out := must(t, startTimeout, tool, "--show-luns", "iscsi://"+tgt.portal)
	require.Regexp(t, `Target:`+regexp.QuoteMeta(targetName)+` Portal:`+regexp.QuoteMeta(tgt.portal)+`,\d+`, out)
	for i, size := range []string{"31M", "63M"} { // it takes the last block's number for the count, and rounds down
		require.Regexp(t, fmt.Sprintf(`Lun:%d +Type:DIRECT_ACCESS \(Size:%s\)`, tgt.first+i, size), out)
	}
}

var suiteName = regexp.MustCompile(`(?m)^(SCSI|iSCSI)\.[^.\s]+\.\S+$`)

// suiteTests returns the names of the tests, each once: the other families only repeat them.
func suiteTests(t *testing.T, tool string) []string {
	t.Helper()
	names := suiteName.FindAllString(must(t, startTimeout, tool, "--list"), -1)
	require.Greater(t, len(names), 200)
	return names
}

// suiteURL returns the logical unit that a test needs. GetLBAStatus.UnmapSingle unmaps a single
// block, others unmap or compare parts of physical blocks.
func suiteURL(tgt *target, name string) string {
	_, test, _ := strings.Cut(name, ".")
	suite, _, _ := strings.Cut(test, ".")
	switch {
	case suite == "NoMedia", suite == "PreventAllow", suite == "StartStopUnit":
		return tgt.url(unitRemovable)
	case suite == "ReadOnly":
		return tgt.url(unitReadOnly)
	case test == "GetLBAStatus.UnmapSingle":
		return tgt.url(unitPlain)
	}
	return tgt.url(unitMain)
}

// suiteResult is the outcome of one test.
type suiteResult struct {
	name    string
	verdict verdict
	why     string
	took    time.Duration
	log     string // the end of what the tool printed
}

func runSuiteTest(t *testing.T, tool string, tgt *target, name string) suiteResult {
	url := suiteURL(tgt, name)
	args := []string{"--dataloss", "--allow-sanitize", "-V", "-t", name, url}
	if strings.HasPrefix(name, "SCSI.MultipathIO.") {
		args = append(args, url)
	}
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	defer cancel()
	start := time.Now()
	out, err := output(ctx, "", tool, args...)
	r := suiteResult{name: name, took: time.Since(start), log: tail(out)}
	log := parseCULog(out)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		r.verdict, r.why = hung, fmt.Sprintf("no end after %v; last line: %s", suiteTimeout, log.last)
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		r.verdict, r.why = broken, fmt.Sprintf("%v; last line: %s", err, log.last)
	case err != nil && exit == nil:
		r.verdict, r.why = broken, err.Error()
	default:
		r.verdict, r.why = log.judge(name)
	}
	return r
}

// suiteTable returns the results by suite, and the reasons of those that did not simply pass.
func suiteTable(tool, url string, results []suiteResult) string {
	var order []string
	counts := make(map[string]*[verdicts]int)
	var total [verdicts]int
	var took time.Duration
	for _, r := range results {
		suite := r.name[:strings.LastIndexByte(r.name, '.')]
		if counts[suite] == nil {
			order = append(order, suite)
			counts[suite] = new([verdicts]int)
		}
		counts[suite][r.verdict]++
		total[r.verdict]++
		took += r.took
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s, %d tests in %.0f s\n\n", tool, url, len(results), took.Seconds())
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, c [verdicts]int) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, c[passed], c[partial], c[skipped], c[failed], c[hung], c[broken])
	}
	fmt.Fprintln(table, "suite\tpass\tpart\tskip\tfail\thang\terror\t")
	for _, suite := range order {
		row(suite, *counts[suite])
	}
	row("total", total)
	table.Flush() // into memory: cannot fail
	b.WriteString("\n")
	for _, r := range results {
		if r.why != "" {
			fmt.Fprintf(&b, "%-5v %s: %s\n", r.verdict, r.name, r.why)
		}
	}
	return b.String()
}

// report logs a table of results, and writes it to the directory of GOSCST_REPORT.
func report(t testing.TB, name, text string) {
	t.Helper()
	t.Logf("\n%s", text)
	if dir := os.Getenv("GOSCST_REPORT"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}
