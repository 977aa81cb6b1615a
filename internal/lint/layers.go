package lint

// layer says what the packages that match pattern may import from this module. Test files in the
// package itself follow the same rule, test helpers apart; external test packages (NAME_test)
// stand for applications and may import what an application may.
type layer struct {
	pattern string
	imports []string // patterns of module packages, relative to the module
}

// Packages that any layer may use beside its own row: they hold nothing but checks that a build
// tag turns on.
var commonImports = []string{"internal/invariant"}

// deviceImports is what a device type builds on: never the engine, never a transport.
var deviceImports = []string{
	"scsi", "scsi/unit", "scsi/spc", "scsi/sbc", "backstore", "sgv", "internal/rangelock",
}

// transportImports is what stands above the engine.
var transportImports = []string{
	"scsi", "scsi/spc", "scsi/engine", "fabric", "sgv", "internal/hist",
}

// layers is the architecture, bottom up; the first row that matches a package counts, and a
// package that no row matches is a finding: a new package needs a place in this table.
var layers = []layer{
	// 0: memory and mechanisms without SCSI in them
	{"sgv", nil},
	{"internal/task", []string{"sgv"}},
	{"internal/invariant", nil},
	{"internal/lane", nil},
	{"internal/rangelock", nil},
	{"internal/hist", nil},
	{"internal/atomicfile", nil},

	// 1: vocabulary and contracts; storage
	{"scsi", []string{"sgv", "internal/task"}},
	{"scsi/spc", []string{"scsi"}},
	{"scsi/sbc", []string{"scsi"}},
	{"backstore", nil},
	{"backstore/backstoretest", []string{"backstore", "backstore/faultstore"}},
	{"backstore/internal/*", []string{"backstore"}},
	{"backstore/*", []string{"backstore", "backstore/internal/*"}},

	// 2: the sides of the engine, and its state machines
	{"fabric", []string{"scsi", "sgv"}},
	{"alua", []string{"scsi", "scsi/spc", "sgv"}},
	{"scsi/unit", []string{"scsi", "scsi/spc", "sgv"}},
	{"internal/pr", []string{"scsi"}},
	{"internal/taskset", []string{"scsi"}},
	{"internal/uaq", []string{"scsi"}},

	// 3: the engine; device types
	{"scsi/engine", []string{
		"fabric", "alua", "scsi", "scsi/spc", "sgv",
		"internal/task", "internal/lane", "internal/hist", "internal/atomicfile",
		"internal/pr", "internal/taskset", "internal/uaq",
	}},
	{"scsi/disk", deviceImports},
	{"scsi/cdrom", deviceImports},
	{"scsi/tape", deviceImports},
	{"scsi/changer", deviceImports},
	{"scsi/processor", deviceImports},
	{"scsi/modisk", deviceImports},
	{"scsi/raid", deviceImports},
	{"scsi/passthrough", deviceImports},
	{"scsi/scsitest", []string{"scsi", "scsi/spc", "scsi/sbc", "scsi/unit", "sgv", "internal/task"}},

	// 4: transports; configuration
	{"fabric/fabrictest", append([]string{"scsi/disk", "backstore", "backstore/*"}, transportImports...)},
	{"fabric/iscsi/internal/pdu", nil},
	{"fabric/iscsi/iscsitest", []string{"scsi", "fabric/iscsi/internal/pdu"}},
	{"fabric/iscsi", append([]string{"fabric/iscsi/internal/pdu"}, transportImports...)},
	{"fabric/local", append([]string{"scsi/sbc"}, transportImports...)},
	{"fabric/*", transportImports},
	{"scsi/config", []string{"scsi/engine", "alua", "scsi"}},

	// 5: applications, with the public packages alone
	{"examples/...", []string{
		"scsi", "scsi/*", "fabric", "fabric/*", "backstore", "backstore/*", "sgv", "alua",
	}},

	// tools of the project
	{"internal/script", nil},
	{"internal/meta", []string{"scsi", "scsi/sbc", "scsi/spc"}},
	{"internal/leak", []string{"sgv"}},
	{"internal/linuxtest", []string{"internal/peers"}},
	{"internal/gen/...", []string{"scsi"}},
	{"internal/bench/...", []string{
		"internal/bench/...", "scsi", "scsi/*", "fabric", "fabric/*", "backstore", "backstore/*", "sgv",
	}},
	{"internal/lint", nil},
	{"internal/dev", nil},
	{"internal/bench", []string{"internal/bench/*"}},
	{"internal/bench/wire", nil},
	{"internal/bench/*", []string{"internal/bench/wire"}},
	{"internal/peers/...", []string{"internal/peers", "internal/peers/*"}},
	{".", nil},
}

// testHelpers are the internal packages that only tests import.
var testHelpers = []string{"internal/script", "internal/meta", "internal/leak", "internal/linuxtest", "internal/peers/..."}

// testImports is what every test may import beside its layer's row: the helpers, and stores to put
// below what is tested.
var testImports = append([]string{
	"scsi/scsitest", "fabric/fabrictest", "fabric/iscsi/iscsitest", "backstore/backstoretest", "backstore/faultstore", "backstore/mem",
}, testHelpers...)

// Who may import each other module of go.mod; subpackages count as the module.
var (
	zapImporters = []string{"scsi/engine", "fabric/*", "examples/..."}
	sysImporters = []string{
		"sgv", "backstore/internal/osfile", "backstore/file", "backstore/block", "backstore/uring", "scsi/passthrough", "fabric/iscsi",
		"internal/bench/...", "internal/linuxtest",
	}
	testModuleImporters = append([]string{"internal/lint"}, testHelpers...)
)

// fastPath lists the packages that a READ passes through, where formatting by reflection has no
// place.
var fastPath = []string{
	"sgv", "scsi", "scsi/spc", "scsi/sbc", "scsi/unit", "scsi/disk", "scsi/engine", "backstore",
	"backstore/*", "backstore/internal/*", "fabric", "fabric/*", "fabric/iscsi/...", "internal/task", "internal/lane",
	"internal/rangelock", "internal/taskset", "internal/uaq", "internal/hist",
}

// programs are the packages that may behave as a program does: print, exit, panic.
var programs = []string{"examples/...", "internal/dev", "internal/gen/...", "internal/bench/..."}
