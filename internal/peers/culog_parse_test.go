package peers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// cuOutput is the output of a run: what the test logs, how it ends, and the counts of the table.
func cuOutput(body, end string, suitesFailed, ran, failed, asserts int) string {
	return fmt.Sprintf(`    Send MODESENSE6 (Expecting SUCCESS)
    [SKIPPED] this is not the test's

     CUnit - A unit testing framework for C - Version 2.1-3

Suite: Some
  Test: Simple ...%s
%s

Run Summary:    Type  Total    Ran Passed Failed Inactive
              suites      1      1    n/a      %d        0
               tests      1      %d      0      %d        0
             asserts     %[6]d     %[6]d      0      0      n/a

Elapsed time =    0.001 seconds
`, body, end, suitesFailed, ran, failed, asserts)
}

func TestJudge(t *testing.T) {
	const ok = "passed    Send PRIN/READ_KEYS"
	read := "\n    Test READ10\n    Send READ10\n    [OK] READ10 returned SUCCESS"
	for _, c := range []struct {
		name, test, out string
		want            verdict
		why             string
	}{
		{"passes", "SCSI.Read10.Simple", cuOutput(read, ok, 0, 1, 0, 3), passed, ""},
		{"passes, with log on the first line", "iSCSI.iSCSITMF.AbortTaskSimpleAsync",
			cuOutput("    WRITE10 queued\n    aborted", ok, 0, 1, 0, 16), passed, ""},
		{"says that it skips", "SCSI.OrWrite.Simple",
			cuOutput("\n    Test ORWRITE\n    [SKIPPED] ORWRITE is not implemented.", ok, 0, 1, 0, 2),
			skipped, "ORWRITE is not implemented."},
		{"skips with a time before", "SCSI.OrWrite.Simple",
			cuOutput("\n    2026-01-02 03:04:05.678 [SKIPPED] ORWRITE is not implemented.", ok, 0, 1, 0, 2),
			skipped, "ORWRITE is not implemented."},
		{"skips in other words", "SCSI.ModeSense6.Control-SWP",
			cuOutput("\n    Test SWP\n    SWP is not changeable", ok, 0, 1, 0, 2), skipped, "SWP is not changeable"},
		{"skips without a word", "SCSI.Read6.Simple", cuOutput("", ok, 0, 1, 0, 0), skipped, "without doing anything"},
		{"asserts without a word", "SCSI.Read6.Simple", cuOutput("", ok, 0, 1, 0, 5), passed, ""},
		{"skips a part", "SCSI.WriteSame10.ZeroBlocks",
			cuOutput(read+"\n    [SKIPPING] No MAXIMUM WRITE SAME LENGTH - skipping MAXIMUM asserts.", ok, 0, 1, 0, 3),
			partial, "No MAXIMUM WRITE SAME LENGTH"},
		{"goes on after a missing command", "SCSI.NoMedia.NoMediaSBC",
			cuOutput(read+"\n    [SKIPPED] ORWRITE is not implemented.", ok, 0, 1, 0, 3), partial, "ORWRITE"},
		{"ends for want of a removable unit", "SCSI.NoMedia.NoMediaSBC",
			cuOutput("\n    Test\n    [SKIPPED] LUN is not removable.", ok, 0, 1, 0, 0), skipped, "removable"},
		{"fails", "SCSI.Read10.Simple",
			cuOutput(read+"\n    [FAILED] READ10 too short", "FAILED\n    1. a.c:1  - CU_ASSERT_EQUAL(x,0)    Send PRIN\n    2. a.c:2  - CU_FAIL(1)", 0, 1, 1, 3),
			failed, "[FAILED] READ10 too short | a.c:1 - CU_ASSERT_EQUAL(x,0) (2 assertions)"},
		{"fails by an assertion alone", "SCSI.Read10.Simple",
			cuOutput(read, "FAILED\n    1. a.c:1  - CU_FAIL(1)", 0, 1, 1, 3), failed, "a.c:1 - CU_FAIL(1) (1 assertions)"},
		{"cannot log in", "SCSI.Read10.Simple", "Failed to connect\n", broken, "last line: Failed to connect"},
		{"suite does not start", "SCSI.Read10.Simple", cuOutput(read, ok, 1, 0, 0, 0), broken, "did not start"},
		{"no test ran", "SCSI.Read10.Simple", cuOutput(read, ok, 0, 0, 0, 0), broken, "did not start"},
		{"prints nothing", "SCSI.Read10.Simple", "", broken, "no summary"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, why := parseCULog(c.out).judge(c.test)
			require.Equal(t, c.want.String(), got.String(), why)
			require.Contains(t, why, c.why)
			if c.why == "" {
				require.Empty(t, why)
			}
		})
	}
}

func TestFailuresAreFewAndDiffer(t *testing.T) {
	l := &cuLog{body: []string{"[FAILED] a", "[FAILED] a", "[FAILED] b", "[FAILED] c", "[FAILED] d"}}
	require.Equal(t, "[FAILED] a [FAILED] b [FAILED] c", strings.Join(l.failures(), " "))
}

func TestSuiteTable(t *testing.T) {
	table := suiteTable("cu", "iscsi://x", []suiteResult{
		{name: "SCSI.A.One", verdict: passed},
		{name: "SCSI.A.Two", verdict: failed, why: "broken pipe"},
		{name: "SCSI.B.One", verdict: skipped, why: "no ORWRITE"},
		{name: "SCSI.B.Two", verdict: hung, why: "no end"},
	})
	require.Contains(t, table, "cu on iscsi://x, 4 tests")
	var rows []string
	for _, line := range strings.Split(table, "\n") {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"suite pass part skip fail hang error", "SCSI.A 1 0 0 1 0 0", "SCSI.B 0 0 1 0 1 0", "total 1 0 1 1 1 0",
		"FAIL SCSI.A.Two: broken pipe", "SKIP SCSI.B.One: no ORWRITE", "HANG SCSI.B.Two: no end",
	} {
		require.Contains(t, rows, want)
	}
}
