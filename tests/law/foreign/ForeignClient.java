// A Kafka client that knows nothing of penstock: `read TOPIC COUNT` prints records, `write TOPIC` sends lines of stdin.
// One record a line, fields apart by a blank: bytes as base64, "-" for null, "." for empty; headers as name=bytes.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class ForeignClient {
    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[1]);
        if (args[0].equals("read")) {
            read(settings, args[2], Integer.parseInt(args[3]));
        } else {
            write(settings, args[2]);
        }
    }

    static void read(Properties settings, String topic, int count) {
        var bytes = new ByteArrayDeserializer();
        long deadline = System.currentTimeMillis() + 30_000;
        try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, bytes, bytes)) {
            var partitions = consumer.partitionsFor(topic).stream()
                    .map(one -> new TopicPartition(topic, one.partition())).toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            int seen = 0;
            while (seen < count && System.currentTimeMillis() < deadline) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    var line = new StringBuilder(record.partition() + " " + record.offset());
                    line.append(' ').append(spell(record.key())).append(' ').append(spell(record.value()));
                    for (Header header : record.headers()) {
                        line.append(' ').append(header.key()).append('=').append(spell(header.value()));
                    }
                    System.out.println(line);
                    seen++;
                }
            }
        }
    }

    static void write(Properties settings, String topic) throws Exception {
        var bytes = new ByteArraySerializer();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        try (var producer = new KafkaProducer<byte[], byte[]>(settings, bytes, bytes)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] words = line.split(" ");
                var record = new ProducerRecord<byte[], byte[]>(topic, parse(words[0]), parse(words[1]));
                for (int at = 2; at < words.length; at++) {
                    int equals = words[at].indexOf('=');
                    record.headers().add(words[at].substring(0, equals), parse(words[at].substring(equals + 1)));
                }
                sent.add(producer.send(record));
            }
            for (Future<RecordMetadata> one : sent) {
                System.out.println(one.get().partition());
            }
        }
    }

    static String spell(byte[] found) {
        if (found == null) {
            return "-";
        }
        return found.length == 0 ? "." : Base64.getEncoder().encodeToString(found);
    }

    static byte[] parse(String word) {
        if (word.equals("-")) {
            return null;
        }
        return word.equals(".") ? new byte[0] : Base64.getDecoder().decode(word);
    }
}
