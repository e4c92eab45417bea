# Keys between the nodes, and keys as files on this machine.
import os
import shutil
import tempfile
from starcluster import sshutils
from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Keyring(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/keyring'):
            return  # done at the start
        workers = filter(lambda n: not n.is_master(), nodes)
        master.ssh.execute('id keyring || useradd -m keyring')
        for n in workers:
            n.ssh.execute('id keyring || useradd -m keyring')
        new = master.generate_key_for_user('keyring', ignore_existing=True, auth_new_key=True, auth_conn_key=True)
        master.enable_passwordless_ssh('keyring', workers)
        master.add_to_known_hosts('keyring', nodes, add_self=True)
        master.remove_from_known_hosts('keyring', [master])
        rsa = master.ssh.load_remote_rsa_key('/root/.ssh/id_rsa')
        folder = tempfile.mkdtemp()
        try:
            path = os.path.join(folder, 'key')
            made = sshutils.generate_rsa_key()
            made.write_private_key_file(path)
            again = sshutils.get_rsa_key(key_location=path)
            same = sshutils.get_public_key(again) == sshutils.get_public_key(made)
            prints = [sshutils.get_private_rsa_fingerprint(path), sshutils.get_public_rsa_fingerprint(path)]
            try:
                sshutils.get_dsa_key(key_location=path)
            except exception.SSHError, e:
                log.info('DSA: %s' % e.msg)
        finally:
            shutil.rmtree(folder)
        f = master.ssh.remote_file('/var/tmp/keyring')
        print >>f, sshutils.get_public_key(rsa)
        print >>f, 'same after a file:', same
        print >>f, 'of the user:', sshutils.get_public_key(new)
        print >>f, 'characters of fingerprints:', [len(p) for p in prints]
