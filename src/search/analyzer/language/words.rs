//! The small words of each language. Accents may be left out: folding does.

use std::ops::RangeInclusive;

use super::Language;

/// Whatever is written in these letters is taken for their language.
pub const GREEK: RangeInclusive<char> = '\u{370}'..='\u{3FF}';
pub const TAMIL: RangeInclusive<char> = '\u{B80}'..='\u{BFF}';

pub const WORDS: [(Language, &str); 16] = [
    (
        Language::Arabic,
        "في من على الى ان هذا هذه التي الذي لا ما هل كيف مع عن كان كانت هو هي او ثم قد لم لن كل بعد قبل عند لماذا متى اين انا انت نحن هم ذلك تلك بين حتى اذا لكن ايضا يمكن يجب غير بعض اي منذ حول",
    ),
    (
        Language::Danish,
        "og i jeg det at en et den til er som pa de med han af for ikke der var mig sig men har om vi min havde ham hun nu over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev kunne ind nar vaere noget ville jo deres efter ned skulle denne end dette mit ogsa under have dig anden hende mine alt meget sit sine mod disse hvis din nogle hos blive mange bliver vaeret jer sadan hvordan hvorfor kan tak gerne hvilken nogen lidt bruge mere",
    ),
    (
        Language::Dutch,
        "de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit daar haar naar heb hoe heeft hebben deze u want nog zal me zij nu geen omdat iets worden toch al waren veel meer doen toen moet ben zonder kan hun dus alles onder ja eens hier wie werd altijd wordt kunnen ons zelf tegen na reeds wil kon niets uw iemand geweest andere jij jouw wij waarom waar welke graag kun",
    ),
    (
        Language::English,
        "the of and to a in is it you that he was for on are with as his they be at one have this from or had by not but what all were we when your can said there use an each which she do how their if will up other about out many then them these so some her would make like him into has look more could go my than first been who its now find did get made may i me am us our should please any why where because does just also want need help write explain give best good much most very only over after before between while through same such too own here t s don let know think work using used new way well show tell create thank thanks sorry hello yes no",
    ),
    (
        Language::Finnish,
        "ja on ei etta se han mina sina me te he joka mutta jos niin kuin myos ovat oli olen olet ole olla voi voin miten miksi mika mita missa milloin kun tai vain nyt hyvin minun sinun hanen sen siita tama taman tata tuo ne nama kaikki jotka jonka sita siina kanssa ennen jalkeen viela sitten koska kuka mina voisitko kiitos olisi eika joten enemman paljon itse aina kuinka mitaan onko",
    ),
    (
        Language::French,
        "au aux avec ce ces dans de des du elle en et eux il ils je la le les leur lui ma mais me meme mes moi mon ne nos notre nous on ou par pas pour qu que qui sa se ses son sur ta te tes toi ton tu un une vos votre vous c d j l a m n s t y est suis es sont ete etait cette cela comment pourquoi quand plus tres bien faire fait avoir avez peut peux quel quelle quels quelles si sans sous chez donc ainsi entre aussi comme tout tous toute toutes merci etre oui non deux bonjour depuis ai as ont",
    ),
    (
        Language::German,
        "aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein deine dem den denn der des dich die dies diese dieser dieses dir doch dort du durch ein eine einem einen einer eines er es euch fur hab habe haben hat hatte hier ich ihm ihn ihnen ihr ihre im in ist jede jetzt kann kein keine konnen konnte mach machen man mehr mein meine mich mir mit muss nach nicht nichts noch nun nur ob oder ohne sehr sein seine sich sie sind so soll sollte sondern uber um und uns unter viel vom von vor war warum was weil welche wenn wer werden wie wieder will wir wird wo wurde zu zum zur zwischen bitte danke gibt",
    ),
    (
        Language::Hungarian,
        "a az egy es hogy nem is van volt ez de ha meg csak mar mint vagy ki mi azt ezt ami aki lehet kell mert majd sem nincs lenne most nagyon minden en te o ok igen hol mikor miert hogyan milyen melyik itt ott utan elott kozott szerint altal pedig mas tobb olyan ilyen ezek azok vagyok lesz legyen kerem koszonom tudom tud szeretnek nekem neked ugy akkor mig amely alatt",
    ),
    (
        Language::Italian,
        "ad al allo ai agli alla alle con col da dal dallo dai dalla dalle di del dello dei degli della delle in nel nello nei negli nella nelle su sul sullo sui sulla sulle per tra contro io tu lui lei noi voi loro mio mia miei mie tuo tua suo sua nostro ma ed se perche anche come dove che chi cui non piu quale quanto quanti quello quella questo questa questi queste si tutto tutti a c e i l o ho ha hai abbiamo hanno sono sei siamo era essere fare puo puoi posso cosa quando molto un uno una il lo la gli le grazie ciao sia stato ogni senza fra ne mi ti ci vi",
    ),
    (
        Language::Norwegian,
        "og i jeg det at en et den til er som pa de med han av ikke ikkje der sa var meg seg men ett har om vi min mitt ha hadde hun na over da ved fra du ut sin dem oss opp man kan hans hvor eller hva skal selv her alle vil bli ble blitt kunne inn nar vaere kom noen noe ville dere deres kun ja etter ned skulle denne for deg si sine sitt mot meget hvorfor dette disse uten hvordan ingen din ditt blir samme hvilken hvem vaert bade bare enn fordi mange ogsa slik mye takk gjerne blant eg ein ei ikkje kva korleis litt bruke mer",
    ),
    (
        Language::Portuguese,
        "de a o que e do da em um para com nao uma os no se na por mais as dos como mas ao ele das tem seu sua ou quando muito nos ja eu tambem so pelo pela ate isso ela entre depois sem mesmo aos seus quem nas me esse eles voce essa num nem suas meu minha numa pelos elas qual nos lhe deles essas esses pelas este dele tu te voces meus minhas teu tua nosso nossa esta estes estas aquele aquela isto aquilo estou estao foi sao ser ter fazer pode posso porque onde obrigado sobre todos cada fosse quais ha era sera estava tenho",
    ),
    (
        Language::Romanian,
        "si in de la cu o a pe un nu ca este sunt ce din mai pentru care se ai am ma sa au fi fost va le ne te imi iti ii isi lui ei lor acest aceasta acestea aceste cel cea cei cele sau dar daca cum unde cand prin dupa fara intre despre foarte mult toate toti tot doar asa eu tu el ea noi voi ele meu mea tau ta sau cat vreau poate pot trebuie fac face multumesc al ale unei unui asta decat catre inainte spre avea are aveti o",
    ),
    (
        Language::Russian,
        "и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот от меня еще нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был него до вас нибудь опять уж вам ведь там потом себя ничего еи может они тут где есть надо неи для мы тебя их чем была сам чтоб без будто чего раз тоже себе под будет ж тогда кто этот того потому этого какои какая какие совсем ним здесь этом один почти мои тем чтобы нее были куда зачем всех можно при два об другои хоть после над больше тот через эти нас про всего них много разве три эту моя впрочем хорошо свою этои перед иногда лучше чуть том нельзя такои им более всегда конечно всю между это почему нужно могу мочь пожалуиста спасибо привет",
    ),
    (
        Language::Spanish,
        "de la que el en y a los del se las por un para con no una su al lo como mas pero sus le ya o este si porque esta entre cuando muy sin sobre tambien me hasta hay donde quien desde todo nos durante todos uno les ni contra otros ese eso ante ellos e esto mi antes algunos que unos yo otro otras otra el tanto esa estos mucho quienes nada muchos cual poco ella estar estas algunas algo nosotros tu te ti tus ellas es son era fue ser soy eres tengo tiene puedo puede hacer como hola gracias cuales cada estan estoy ha he hace usted",
    ),
    (
        Language::Swedish,
        "och det att i en jag hon som han pa den med var sig for sa till ar men ett om hade de av icke mig du henne da sin nu har inte hans honom skulle hennes dar min man ej vid kunde nagot fran ut nar efter upp vi dem vara vad over an dig kan sina har ha mot alla under nagon eller allt mycket sedan ju denna sjalv detta at utan varit hur ingen mitt ni bli blev oss din dessa nagra deras blir mina samma vilken er sadan var blivit dess inom mellan sadant varfor varje vilka ditt vem vilket sitt sadana vart dina vars vart vara ert era vilkas ska skall tack finns ocksa bara mer gora det",
    ),
    (
        Language::Turkish,
        "acaba ama aslinda az bazi belki biri birkac birsey biz bu cok cunku da daha de defa diye en gibi hem hep hepsi her hic icin ile ise kez ki kim mi mu nasil ne neden nerde nerede nereye nicin niye o sanki sey siz su tum ve veya ya yani bir ben sen olarak olan oldugu olur oldu degil var yok kadar sonra once bana sana benim senin onun bunu buna bunun onu ona onlar bizim sizin nedir hangi yap yapmak icinde uzerinde tarafindan lutfen tesekkurler istiyorum misin musun miyim ancak simdi",
    ),
];

/// Of languages that have no stemmer here, so that they are not taken for a neighbour.
pub const OTHER: &str = "nie sie jest na co jak ale czy dla ze ktory ktora przez byc tylko juz moze prosze dziekuje jestem \
    je jsem jsi pro kde proc ktery ktera bych jako nebo aby pri dekuji jeho mam \
    amb els les per aixo mes pero son unes aquest aquesta dels tambe perque molt \
    yang dan untuk dengan tidak ini itu dari adalah saya bisa apa anda akan pada juga atau dalam bagaimana \
    la va cua mot cac nhung cho khong toi ban nhu nao duoc trong voi \
    ang ng sa mga ako ikaw siya hindi kung paano \
    que non unha dos das \
    sam su ili ako kako sto koji koja bilo biti \
    се да са ще съм този това тази също какво или като още може много няма беше как \
    що це як та або але чи щоб дуже має який яка ви ми він вона вони було \
    шта није сам су што како које који или \
    که از را با این برای به است در و می های شد بود یک هر چه اگر نیز تا کرد شما چگونه \
    ہے کے کی میں ہیں سے کو کا نے پر یہ اور بھی کیا نہیں";
