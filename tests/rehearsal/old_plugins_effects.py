"""What old plugins leave on their nodes: stage, node, what is asked there, the whole answer as a pattern."""

from __future__ import annotations

FACTS = ("start", "node001", "cat /var/tmp/facts.json", r"\{.*\}")
EFFECTS: list[tuple[str, str, str, str]] = [
    ("start", "master", "stat -c '%a %n' /var/tools/bin/*", "755 /var/tools/bin/apt-get\n755 /var/tools/bin/yum"),
    (
        "start",
        "master",
        "sed -E 's/^([a-z-]+) .* (update|clean|check-update|install .*)$/\\1 \\2/' /var/tmp/packages.log",
        "apt-get update\napt-get install tree htop\napt-get clean\napt-get update\napt-get install one-more\n"
        "yum check-update\nyum install two-more",
    ),
    ("start", "node001", "grep -c install /var/tmp/packages.log", "1"),
    ("start", "node001", "cat /etc/motd", "welcome to node001, sgeadmin"),
    (
        "start",
        "master",
        "cat /var/tmp/accounts",
        "/home/sgeadmin\nann\nben\nscientists\nscientists\nscientists\nNone\nann,ben",
    ),
    ("start", "node001", "id ann", r"uid=3000\(ann\) gid=3000\(ann\) groups=3000\(ann\),\d+\(scientists\)"),
    ("start", "master", "id licences", r"uid=2901\(licences\) gid=2901\(licences\) groups=2901\(licences\)"),
    ("start", "master", "id passing", ".*no such user"),
    (
        "start",
        "master",
        "cat /var/tmp/keyring",
        r"ssh-rsa AAAA\S+\nsame after a file: True\nof the user: ssh-rsa \S+\ncharacters of fingerprints: \[59, 47\]",
    ),
    ("start", "master", "cut -d' ' -f2 /var/tmp/keyring | head -1 | xargs -I K grep -c K /root/.ssh/id_rsa.pub", "1"),
    (
        "start",
        "master",
        "grep '^of the user' /var/tmp/keyring | cut -d' ' -f5 | xargs -I K grep -c K ~keyring/.ssh/id_rsa.pub",
        "1",
    ),
    ("start", "master", "su keyring -c 'ssh -o BatchMode=yes node001 hostname'", "node001"),
    ("start", "master", "grep -c '^master' ~keyring/.ssh/known_hosts", "0"),
    (
        "start",
        "master",
        "cat /var/tmp/copies/back; cd /var/tmp/copies; ls . tree",
        "aye bee aye bee\n.:\na.txt\nb.txt\nback\nby-scp\nby-sftp\ntree\n\ntree:\na.txt\nb.txt",
    ),
    (
        "start",
        "node001",
        "stat -c '%a %u %g' /var/tmp/copied; cat /var/tmp/copied /var/tmp/motd-of-master",
        "640 3 4\naye bee aye bee\nwelcome to master, sgeadmin",
    ),
    (
        "start",
        "node001",
        "cat /srv/shared/hello; awk '$2 == \"/srv/shared\" { print $2 }' /proc/mounts",
        "from-the-master\n/srv/shared",
    ),
    ("start", "master", "grep -c /srv/gone /etc/exports", "0"),
    ("start", "master", "grep -c ' /also ' /proc/mounts; grep -c ' /also ' /etc/fstab", "1\n1"),
    ("start", "master", "cat /var/tmp/disks", r"data vol-\w+ /data\next4 1\n\{\} None\nvol-\w+\nebs attached\nTrue"),
    ("start", "node001", "hostname; grep -c licences /etc/hosts", "node001\n0"),
    (
        "start",
        "node001",
        "cat /var/tmp/hostname",
        r"node001-for-now\n[\d.]+ node001\nnode001 [\d.]+ ip-[\d-]+\.\S+ ip-[\d-]+",
    ),
    (
        "start",
        "node001",
        "cat /var/tmp/questions",
        "is: ebs-backed stoppable up ssh-up\nstate: running\nfirst plugin: False\nvolume: data",
    ),
    ("start", "master", "head -1 /var/tmp/questions", "is: master ebs-backed stoppable up ssh-up"),
    (
        "start",
        "master",
        "cat /var/tmp/executes",
        r"both outputs: \['two words', 'one', 'oops'\]\n"
        r"last line of a failure: .*No such file.*\n"
        r"failed: \[\]\n"
        r"printable: \['ab'\]\n"
        r"unprofiled: \['/root'\]\n"
        r"detached: None\n"
        r"raised: \(7, 'echo why; exit 7', 'why'\)\n"
        r"started: None\nstatus of what is started: None\n"
        r"status: 4\n"
        r"last status: 4\n"
        r"which: True\n"
        r"which of none: \[\]\n"
        r"required: True\n"
        r"missing: 'no-such-program'\n"
        r"home: /root\n"
        r"path: True\n"
        r"function of the profile: \['load of /opt/corpus', '\[\]'\]\n"
        r"ends without a newline: \['50%\\r100%', 'warning'\]",
    ),
    ("start", "master", "cat /var/tmp/async /var/tmp/detached", "later\nlater"),
    (
        "start",
        "master",
        "cat /var/tmp/folders/seen",
        r"dangling leads somewhere: False\n"
        r"dangling is there: True\n"
        r"dangling is a link: True\n"
        r"deep is a folder: True\n"
        r"deep is a file: False\n"
        r"one.txt is a file: True\n"
        r"one.txt has the mode: 0604\n"
        r"ls: dangling deep lines narrow one.txt two.txt\n"
        r"glob: /var/tmp/folders/one.txt /var/tmp/folders/two.txt\n"
        r"matching: \['drop 1\\n', 'drop 2\\n'\]\n"
        r"others: \['keep\\n'\]",
    ),
    (
        "start",
        "master",
        "cd /var/tmp/folders; cat lines; stat -c '%a %U %n' *.txt narrow",
        "keep\n604 root one.txt\n644 sgeadmin two.txt\n700 root narrow",
    ),
    (
        "start",
        "master",
        "cat /var/tmp/remote-open; stat -c %a /var/tmp/remote-open; cat /var/tmp/remote-many",
        "first\nsecond\nthird é\nappended by /var/tmp/remote-open\n640\n149",
    ),
    ("start", "master", "cat /var/tmp/remote-report", "22 first 3 appended by /var/tmp/remote-open"),
    ("start", "node001", "cat /var/tmp/switcher-node001", "root sgeadmin True sgeadmin"),
    ("start", "node001", "stat -c %U /var/tmp/switcher-node001 /etc/motd", "sgeadmin\nroot"),
    ("start", "master", "cat /var/tmp/shell; stat -c %U /var/tmp/shell", "sgeadmin\n5\nsgeadmin"),
    (
        "start",
        "node001",
        "cat /srv/tools/tool; awk '$2 == \"/srv/tools\" { print $2 }' /proc/mounts",
        "tool\n/srv/tools",
    ),
    ("start", "node001", "readlink /scratch/guest; stat -c %U:%G /mnt/guest", "/mnt/guest\nguest:guest"),
    ("start", "master", "readlink /scratch/guest", "/mnt/guest"),
    ("start", "master", "cat /var/tmp/steps", "/data,/home node001 True"),
    ("start", "node001", "cat /var/tmp/again", "done again for sgeadmin"),
    ("start", "master", "cat /var/tmp/pooled", r"master 4 \[42\] 20"),
    (
        "start",
        "master",
        "cat /var/tmp/toolbox",
        r"attribute: 2\n"
        r"password: 12\n"
        r"chunks: \[\[0, 1\], \[2, 3\], \[4\]\]\n"
        r"iso again: True\n"
        r"milliseconds: True\n"
        r"local: True\n"
        r"elapsed: 0 days\n"
        r"which: /sh\n"
        r"required: True\n"
        r"passwd: True\n"
        r"group: True\n"
        r"class: toolbox.Toolbox\n"
        r"file: somewhere\n"
        r"second: line 2\n"
        r"timed: quick\n"
        r"valid device: \['/dev/sdz'\]\n"
        r"valid partition: \['/dev/sdz99'\]\n"
        r"valid hostname: \['node001'\]\n"
        r"valid url: \['https://example.org/x'\]\n"
        r"missing: True",
    ),
    ("start", "master", "cat /var/tmp/constants", "True True old 4"),
    ("start", "master", "cat /var/tmp/firewall", "True 8080 8080 True\nTrue 1 1"),
    (
        "start",
        "master",
        "cat /var/tmp/scratchdisk",
        "in-use 1 /dev/sdq True\nstop terminate True True\n@sc-old default True True True\n"
        "zone 'nowhere' does not exist in us-east-1",
    ),
    ("start", "master", "cat /var/tmp/troubles", "cloud=9 config=3 jobs=1 launch=4 other=7 remote=6 status=9"),
    (
        "start",
        "master",
        "cat /var/tmp/oldsyntax; stat -c %a /var/tmp/oldsyntax",
        r"3;\('b', 2\);v;True;True;older: old;spam said 0644\n644",
    ),
    ("start", "master", "cat /var/tmp/result", "42 by sgeadmin"),
    (
        "start",
        "master",
        "cat /var/tmp/habits",
        "node001\n2 No such file or directory a\nnode001,False\nmaster,True\nhalf of them: 3",
    ),
    ("start", "master", "cat /var/tmp/takesover", ".*No such file.*"),
    ("addnode", "node002", "cat /etc/motd", "welcome to node002, sgeadmin"),
    ("addnode", "node002", "tail -n1 /var/tmp/packages.log", ".*install tree htop"),
    ("addnode", "node002", "id -u ben", "3001"),
    ("addnode", "node002", "cat /srv/shared/hello /srv/tools/tool", "from-the-master\ntool"),
    ("addnode", "node002", "cat /var/tmp/again", "done again for node002"),
    ("addnode", "node001", "getent hosts node002 | awk '{ print $2 }'", "node002"),
    ("removenode", "master", "grep -c node002 /etc/hosts /etc/exports", "/etc/hosts:0\n/etc/exports:0"),
    ("removenode", "node001", "grep -c node002 /etc/hosts", "0"),
    (
        "removenode",
        "master",
        "sort /var/tmp/switcher-added; stat -c %U /var/tmp/switcher-added",
        "node002 added by sgeadmin\nnode003 added by sgeadmin\nsgeadmin",
    ),
    ("restart", "node001", "cat /var/tmp/takesover", "before the reboot"),
    ("restart", "node001", "cat /srv/shared/hello", "from-the-master"),
    ("resume", "node001", "cat /srv/shared/hello", "from-the-master"),
    ("resume", "master", "grep -c ' /data ' /proc/mounts; cat /var/tmp/result", "1\n42 by sgeadmin"),
    FACTS,
]
