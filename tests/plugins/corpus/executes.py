# All that execute can do.
from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Executes(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/executes'):
            return  # done at the start
        ssh = master.ssh
        out = []
        out.append(('both outputs', ssh.execute('echo "  two words "; echo oops >&2; echo one')))
        out.append(('last line of a failure', ssh.execute('ls /no/such/place; echo on', ignore_exit_status=True)[-1]))
        out.append(('failed', ssh.execute('false', raise_on_failure=False)))
        out.append(('printable', ssh.execute("printf 'a\\001b'", only_printable=True)))
        out.append(('unprofiled', ssh.execute('pwd', source_profile=False, log_output=False)))
        ssh.execute('echo seen on this terminal', silent=False)
        out.append(('detached', ssh.execute('sleep 0.1; echo later > /var/tmp/detached', detach=True)))
        try:
            ssh.execute('echo why; exit 7')
        except exception.RemoteCommandFailed, e:
            out.append(('raised', (e.exit_status, e.command, e.output)))
        out.append(('started', ssh.execute_async('for i in 1 2 3; do echo $i; sleep 0.1; done; echo later > /var/tmp/async')))
        out.append(('status of what is started', ssh.get_last_status()))
        out.append(('status', ssh.get_status('exit 4')))
        out.append(('last status', ssh.get_last_status()))
        out.append(('which', ssh.which('sh')[0].endswith('/sh')))
        out.append(('which of none', ssh.which('no-such-program')))
        out.append(('required', ssh.has_required(['sh', 'cat'])))
        try:
            ssh.check_required(['sh', 'no-such-program'])
        except exception.RemoteCommandNotFound, e:
            out.append(('missing', e.msg.split()[-1]))
        out.append(('home', ssh.get_env()['HOME']))
        out.append(('path', '/var/tools/bin' in ssh.get_path().split(':')))
        f = ssh.remote_file('/etc/profile.d/corpus.sh', 'w')
        f.write('corpus_module() { echo "$1 of $corpus_root"; }\ncorpus_root=/opt/corpus\n')
        f.close()
        out.append(('function of the profile', ssh.execute('corpus_module load && echo "[$1]"')))
        out.append(('ends without a newline', ssh.execute('printf "50%%\\r100%%"; echo warning >&2')))
        f = ssh.remote_file('/var/tmp/executes', 'w')
        f.write(''.join(['%s: %s\n' % (what, str(value)) for (what, value) in out]))
        f.close()
